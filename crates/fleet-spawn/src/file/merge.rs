//! Laying one wish over another.

use serde_json::{Map, Value};

/// A wish as an object, as it is written in a file.
pub(crate) type Said = Map<String, Value>;

/// Ways to ask for health, with what belongs to each: a wish has one of them.
const PROBES: [&[&str]; 4] = [&["tcp"], &["http", "status", "body"], &["exec"], &["log"]];

/// Lays `over` over `base`: tables are merged key by key, everything else is replaced. Another way
/// to ask for health replaces the one that was there.
pub(crate) fn lay_over(base: &mut Said, over: &Said) {
    if let (Some(Value::Object(below)), Some(Value::Object(above))) =
        (base.get_mut("health"), over.get("health"))
    {
        drop_other_probes(below, above);
    }
    merge(base, over);
}

fn merge(base: &mut Said, over: &Said) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn drop_other_probes(below: &mut Said, above: &Said) {
    let chosen = PROBES.iter().find(|probe| above.contains_key(probe[0]));
    for others in chosen.into_iter().flat_map(|chosen| PROBES.iter().filter(move |p| *p != chosen))
    {
        others.iter().for_each(|key| {
            below.remove(*key);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Said {
        value.as_object().cloned().unwrap()
    }

    fn laid(base: Value, over: Value) -> Value {
        let mut base = object(base);
        lay_over(&mut base, &object(over));
        Value::Object(base)
    }

    #[test]
    fn tables_are_merged_and_all_else_is_replaced() {
        let base = json!({ "env": { "A": "1", "B": "2" }, "after": ["a"], "grace": "1s" });
        let over = json!({ "env": { "B": "3" }, "after": ["b"] });
        let both = json!({ "env": { "A": "1", "B": "3" }, "after": ["b"], "grace": "1s" });
        assert_eq!(laid(base, over), both);
    }

    #[test]
    fn another_way_to_ask_replaces_the_first() {
        let base = json!({ "health": { "http": "x", "status": "200", "interval": "1s" } });
        let over = json!({ "health": { "tcp": "80" } });
        assert_eq!(laid(base, over), json!({ "health": { "tcp": "80", "interval": "1s" } }));
        let base = json!({ "health": { "http": "x", "status": "200" } });
        let over = json!({ "health": { "http": "y" } });
        assert_eq!(laid(base, over), json!({ "health": { "http": "y", "status": "200" } }));
    }

    fn table() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i32>().prop_map(Value::from), "[ab]".prop_map(Value::from)];
        let node = leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        prop::collection::btree_map("[a-c]", node, 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn merging_has_a_zero_and_can_be_grouped(a in table(), b in table(), c in table()) {
            prop_assert_eq!(laid(json!({}), a.clone()), a.clone());
            prop_assert_eq!(laid(a.clone(), json!({})), a.clone());
            prop_assert_eq!(laid(a.clone(), a.clone()), a.clone());
            // What is said last holds.
            let both = laid(a.clone(), b.clone());
            prop_assert_eq!(laid(both.clone(), b.clone()), both.clone());
            // A leaf between two tables hides what is below it, so grouping holds from the right.
            let right = laid(both, c.clone());
            for (key, value) in c.as_object().unwrap().iter().filter(|(_, v)| !v.is_object()) {
                prop_assert_eq!(&right[key], value);
            }
        }
    }
}

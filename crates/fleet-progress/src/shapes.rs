//! How the bars of the usual programs look.
//!
//! Each shape is a regular expression over a drawing without colours, whose groups are the fields
//! of a bar. `rate` and `per` are `8.32` and `it/s`, or `4.69` and `s/it`; `time` is what is left while
//! a bar runs and what was taken when it is full.

use std::sync::LazyLock;

use regex::Regex;

/// What is between the values that a bar shows by name: `a=1, b=2` or `a: 1 - b: 2`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    pub(crate) pairs: &'static str,
    pub(crate) sides: &'static str,
}

const TQDM: Between = Between { pairs: ",", sides: "=" };
const KERAS: Between = Between { pairs: " - ", sides: ": " };

/// One shape.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) regex: Regex,
    pub(crate) between: Between,
    /// What is counted, where the drawing does not say it.
    pub(crate) unit: Option<&'static str>,
}

/// The shapes that are a bar wherever they stand: pattern, between values, unit.
const SURE: [(&str, Between, Option<&str>); 9] = [
    // tqdm and Lightning: `desc:  33%|###   | 1/3 [00:00<00:00,  8.32it/s, loss=0.5]`, `| 5/? [`.
    (
        r"^(?<name>.*?)(?:: *| *)(?:(?<percent>\d+)%)?\|[^|]*\| *(?<current>[\d.]+[kMGT]?)/(?<total>[\d.]+[kMGT]?|\?)(?<unit> ?[^\s\[]*) \[(?<elapsed>[\d:?]+)<(?<eta>[\d:?]+|\d+ days?, [\d:]+)(?:, *(?<rate>[\d.]+|\?)(?<per>[^,\]]*/[^,\]]*))?(?:, *(?<values>[^\]]*))?\]",
        TQDM,
        None,
    ),
    // The same without a total: `desc: 12it [00:01, 9.8it/s]`.
    (
        r"^(?:(?<name>.*): )?(?<current>[\d.]+[kMGT]?)(?<unit> ?[A-Za-z]+) \[(?<elapsed>\d[\d:]*), *(?<rate>[\d.]+|\?)(?<per>[^,\]]*/[^,\]]*)(?:, *(?<values>[^\]]*))?\]",
        TQDM,
        None,
    ),
    // Keras: `8/8 ━━━━ 0s 29ms/step - loss: 4.57`, `8/8 [====] - ETA: 0s - loss: 4.57`, `8/8 - 0s - 2ms/step`.
    (
        r"^(?<current>\d+)/(?<total>\d+|Unknown) +(?:━+ |\[[=>.]+\] - |- )(?:ETA: )?(?<time>\d[\d:]*s?)(?: -)?(?: (?<rate>[\d.]+)(?<per>(?:us|µs|ms|s)/(?:step|sample|epoch)))?(?: - (?<values>.*))?$",
        KERAS,
        Some("step"),
    ),
    // pip and rich: `name ━━━━╺── 45% 16.9/16.9 MB 416.5 MB/s eta 0:00:01`.
    (
        r"^(?<name>.*?) *[━╸╺]{8,} +(?:(?<percent>\d+)%(?: +|$))?(?:(?<current>[\d.]+)/(?<total>[\d.]+ ?(?:[kMGT]?B|bytes))(?: +|$))?(?:(?:(?<rate>[\d.]+) ?(?<per>[kMGT]?B/s|bytes/s)|\?)(?: +|$))?(?:eta )?(?<eta>[\d:-]+)?$",
        TQDM,
        None,
    ),
    // wget with a bar: `file  12%[=>    ]  1.19M  1.46MB/s    eta 3s`.
    (
        r"^(?<name>\S.*?) +(?<percent>\d+)%\[[=+> ]*\] +(?<current>[\d.,]+[KMGT]?) +(?:(?<rate>[\d.]+)(?<per>[KMGT]?B/s)|--\.-[KM]B/s)(?: +eta (?<eta>[\dhms ]+)| +in (?<elapsed>[\d.hms ]+))?$",
        TQDM,
        Some("bytes"),
    ),
    // wget into a file: `  50K .......... .......... 12%  1.2M 3s`.
    (
        r"^(?<current>\d+K)(?: +[.,]+)+ +(?<percent>\d+)% +(?<rate>[\d.]+)(?<per>[KMGT]?)(?: (?<eta>[\dhms]+)|=(?<elapsed>[\d.hms]+))?$",
        TQDM,
        Some("bytes"),
    ),
    // curl: `100 2929k  100 2929k    0     0  38.0M      0 --:--:-- --:--:-- --:--:-- 38.1M`.
    (
        r"^(?<percent>\d+) +(?<total>[\d.]+[kMGT]?) +\d+ +(?<current>[\d.]+[kMGT]?) +\d+ +[\d.]+[kMGT]? +(?<rate>[\d.]+)(?<per>[kMGT]?) +[\d.]+[kMGT]? +[\d:-]{8} +(?<elapsed>[\d:-]{8}) +(?<eta>[\d:-]{8}) +[\d.]+[kMGT]?$",
        TQDM,
        Some("bytes"),
    ),
    // cargo: `Building [=====>   ] 12/345: a, b`.
    (r"^(?<name>[A-Z][a-z]+) \[[=> ]*\] +(?<current>\d+)/(?<total>\d+)(?:: .*)?$", TQDM, None),
    // docker: `0bfcc8ebdf53: Downloading [=====>      ]  3.4MB/29MB`.
    (
        r"^(?<name>[0-9a-f]{12}: [A-Z][a-z]+) \[[=> ]*\] +(?<current>[\d.]+[kMG]?B)/(?<total>[\d.]+[kMG]?B)$",
        TQDM,
        Some("bytes"),
    ),
];

/// The shapes that may be ordinary text, unless they were drawn one over the other: curl -#, apt,
/// git.
const LOOSE: [(&str, Between, Option<&str>); 2] = [
    (r"^#[# ]* (?<percent>\d+\.\d)%$", TQDM, None),
    (
        r"^(?<name>\S.*?):? +\[? *(?<percent>\d+(?:\.\d+)?)%\]?(?: \((?<current>\d+)/(?<total>\d+)\))?(?:$|[ ,])",
        TQDM,
        None,
    ),
];

fn all(of: &[(&str, Between, Option<&'static str>)]) -> Vec<Shape> {
    let shape = |&(pattern, between, unit): &(&str, Between, Option<&'static str>)| {
        let regex = Regex::new(pattern).ok()?;
        Some(Shape { regex, between, unit })
    };
    of.iter().filter_map(shape).collect()
}

pub(crate) static SURE_SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| all(&SURE));
pub(crate) static LOOSE_SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| all(&LOOSE));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(SURE_SHAPES.len(), SURE.len());
        assert_eq!(LOOSE_SHAPES.len(), LOOSE.len());
    }
}

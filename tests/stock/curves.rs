//! What trainings and evaluations say of themselves: printed, or emitted, and read by fleet-curves
//! or fleet-metrics.

use fleet_testkit::{TestFleet, Value, until};

use crate::case::Case;
use crate::story::{apart, held, sampled};

/// The rules about curves.
pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "loss_nan",
        severity: "high",
        id: "job",
        bad: |fleet| printed(fleet, "echo step=1 loss=0.5; echo step=2 loss=nan"),
        good: |fleet| printed(fleet, "echo step=1 loss=0.5; echo step=2 loss=123456.5"),
    },
    Case {
        rule: "loss_plateau",
        severity: "warning",
        id: "job",
        bad: |fleet| printed(fleet, "for n in $(seq 0 10 2000); do echo step=$n loss=0.5; done"),
        good: |fleet| {
            printed(fleet, "for n in $(seq 0 10 2000); do echo step=$n loss=0.$((9999 - n)); done")
        },
    },
    Case {
        rule: "p_value_high",
        severity: "high",
        id: "job",
        bad: |fleet| emitted(fleet, "p_value", &[0.01, 0.04, 0.2]),
        // It was never lower: nothing has risen.
        good: |fleet| emitted(fleet, "p_value", &[0.2, 0.3, 0.2]),
    },
    Case {
        rule: "diversity_low",
        severity: "warning",
        id: "job",
        bad: |fleet| emitted(fleet, "diversity", &[0.3, 0.09, 0.08, 0.07, 0.06, 0.05]),
        good: |fleet| emitted(fleet, "diversity", &[0.09, 0.08, 0.07, 0.06, 0.2, 0.05]),
    },
    Case {
        rule: "champion_unchanged",
        severity: "warning",
        id: "job",
        bad: |fleet| emitted(fleet, "champion", &[7.0; 22]),
        good: |fleet| emitted(fleet, "champion", &[7.0; 21]),
    },
    Case {
        rule: "evaluation_success_low",
        severity: "high",
        id: "job",
        bad: |fleet| emitted(fleet, "success_rate", &[0.19]),
        good: |fleet| emitted(fleet, "success_rate", &[0.2]),
    },
    Case {
        rule: "kpi_worsening",
        severity: "warning",
        id: "job",
        bad: |fleet| held(&[judged(fleet, "$n", "worsening")], 600),
        good: |fleet| held(&[judged(fleet, "$((99 - n))", "improving")], 600),
    },
];

/// The points of what a process printed, a minute apart.
fn printed(fleet: &TestFleet, script: &str) -> Vec<Value> {
    fleet.spawn("job", script);
    fleet.until_ended("job");
    apart(&fleet.run("fleet-curves").arg("job").succeeds().records(), 60)
}

/// The points of what a process emitted at steps 1, 2, 3 …, a minute apart.
fn emitted(fleet: &TestFleet, name: &str, values: &[f64]) -> Vec<Value> {
    let point =
        |(step, value): (usize, &f64)| format!("{{\"{name}\":{value},\"step\":{}}}\n", step + 1);
    let points: String = values.iter().enumerate().map(point).collect();
    printed(fleet, &format!("fleet-emit metric --stdin <<'POINTS'\n{points}POINTS"))
}

/// A sample of a process of a fleet file, whose loss is printed as this at n = 1, 2, 3 …, once its
/// trend is seen.
fn judged(fleet: &TestFleet, loss: &str, trend: &str) -> Value {
    let file = fleet.scratch().join("fleet.toml");
    let script = format!(
        "for n in $(seq 10 99); do echo step=$n loss={loss}.5; sleep 0.03; done; sleep 600"
    );
    let text = format!(
        "[process.job]\nshell = true\ncommand = '{script}'\n\
         [process.job.kpi.loss]\ndirection = \"down\"\n"
    );
    std::fs::write(&file, text).unwrap();
    fleet.run("fleet-spawn").arg("--file").arg(&file).ends();
    let follow = ["--curves", "--count", "12", "--interval", "100ms", "job"];
    let mut seen = None;
    until("its trend is seen", || {
        let all = sampled(fleet.run("fleet-metrics").args(follow));
        seen = all.into_iter().find(|sample| sample["kpis"]["loss"]["trend"] == trend);
        seen.is_some()
    });
    seen.unwrap()
}

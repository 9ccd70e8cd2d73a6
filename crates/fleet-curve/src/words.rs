//! Which names speak of training.
//!
//! A line with `key=value` is a line of a curve only where one of its keys is known here, because
//! most lines with numbers are about something else.

/// Words that are so alone or between `_`, `-`, `/`, `.` and `@`.
const WORDS: [&[u8]; 24] = [
    b"acc", b"auc", b"auroc", b"bleu", b"bpb", b"bpc", b"cer", b"dice", b"elbo", b"f1", b"fid",
    b"iou", b"lr", b"mae", b"mape", b"mfu", b"mse", b"nll", b"ppl", b"psnr", b"r2", b"rmse",
    b"ssim", b"wer",
];

/// Words that count steps, the surest first.
const STEPS: [&[u8]; 12] = [
    b"global_step",
    b"trainer/global_step",
    b"train_step",
    b"step",
    b"steps",
    b"iteration",
    b"iter",
    b"iters",
    b"it",
    b"num_updates",
    b"update",
    b"batch",
];

/// Numbers that no curve is made of, whatever stands beside them.
const NEVER: [&[u8]; 26] = [
    b"code",
    b"day",
    b"errno",
    b"exit_code",
    b"gid",
    b"id",
    b"line",
    b"local_rank",
    b"month",
    b"node",
    b"packet_loss",
    b"pid",
    b"port",
    b"ppid",
    b"rank",
    b"run",
    b"seed",
    b"status",
    b"tid",
    b"timestamp",
    b"ts",
    b"uid",
    b"v_num",
    b"version",
    b"world_size",
    b"year",
];

/// What work took or a machine used: beside a count it is what servers say of themselves.
const COSTS: [&[u8]; 21] = [
    b"age",
    b"bytes",
    b"cpu",
    b"delay",
    b"duration",
    b"elapsed",
    b"lag",
    b"latency",
    b"load",
    b"mem",
    b"memory",
    b"ms",
    b"s",
    b"sec",
    b"seconds",
    b"secs",
    b"size",
    b"time",
    b"took",
    b"uptime",
    b"wait",
];

/// Words that say which loss: `train loss: 0.5` is `train_loss`.
const SPLITS: [&[u8]; 8] =
    [b"train", b"training", b"val", b"valid", b"validation", b"test", b"eval", b"dev"];

/// Whether the name is that of a curve by itself.
pub(crate) fn is_curve(key: &[u8]) -> bool {
    has_part(key) || key.split(|b| b"_-/.@".contains(b)).any(is_word)
}

/// Whether the name has a part that makes it a curve wherever it stands. One pass, because this is
/// asked of every name with a number.
fn has_part(key: &[u8]) -> bool {
    (0..key.len()).any(|at| {
        let begins = |part: &[u8]| {
            key[at..].get(..part.len()).is_some_and(|text| text.eq_ignore_ascii_case(part))
        };
        match key[at] | 0x20 {
            b'a' => begins(b"accuracy"),
            b'g' => begins(b"grad_norm") || begins(b"gradnorm"),
            b'l' => begins(b"loss") || begins(b"learning_rate") || begins(b"logprob"),
            b'p' => begins(b"perplexity"),
            b'r' => begins(b"reward"),
            _ => false,
        }
    })
}

fn is_word(word: &[u8]) -> bool {
    let longest = 5;
    (2..=longest).contains(&word.len()) && is_one_of(word, &WORDS)
}

/// How sure it is that the name counts steps: 0 is the surest.
pub(crate) fn step_rank(key: &[u8]) -> Option<usize> {
    STEPS.iter().position(|step| key.eq_ignore_ascii_case(step))
}

/// Whether the name counts epochs.
pub(crate) fn is_epoch(key: &[u8]) -> bool {
    key.eq_ignore_ascii_case(b"epoch")
}

/// Whether the number is never a value of a curve.
pub(crate) fn is_never(key: &[u8]) -> bool {
    is_one_of(key, &NEVER)
}

/// Whether the name is that of something that was spent, its last word being one for that.
pub(crate) fn is_cost(key: &[u8]) -> bool {
    key.rsplit(|b| b"_-/.@".contains(b)).next().is_some_and(|word| is_one_of(word, &COSTS))
}

/// Whether the word says which part of the data a measure is of.
pub(crate) fn is_split(word: &[u8]) -> bool {
    is_one_of(word, &SPLITS)
}

fn is_one_of(word: &[u8], known: &[&[u8]]) -> bool {
    let Some(first) = word.first().map(u8::to_ascii_lowercase) else { return false };
    known.iter().any(|k| k[0] == first && word.eq_ignore_ascii_case(k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_training() {
        for key in ["loss", "train_loss", "val/Loss", "eval_accuracy", "lr", "lr-Adam", "f1@0.5"] {
            assert!(is_curve(key.as_bytes()), "{key}");
        }
        for key in ["port", "ms", "latency", "close", "slr", "workers", "accepted"] {
            assert!(!is_curve(key.as_bytes()), "{key}");
        }
        assert!(is_cost(b"wall_time") && is_cost(b"Elapsed") && !is_cost(b"time_reward"));
        assert!(step_rank(b"global_step") < step_rank(b"Step"));
        assert_eq!(step_rank(b"stepper"), None);
    }
}

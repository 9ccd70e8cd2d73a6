//! Answering questions.

use std::io::{self, BufRead, Write};

use fleet_cli::Exit;
use fleet_gpu::{Answer, Request, may_have_nvidia};

use crate::nvidia::Nvidia;

/// Answers until nobody asks any more.
///
/// # Errors
/// What is asked is no question, or the answer cannot be written.
pub(crate) fn serve() -> anyhow::Result<Exit> {
    let mut nvidia = may_have_nvidia().then(Nvidia::start);
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let _request: Request = serde_json::from_str(&line?)?;
        let mut answer = Answer::default();
        match &mut nvidia {
            Some(Ok(nvidia)) => nvidia.answer(&mut answer),
            Some(Err(reason)) => answer.problems.push(reason.clone()),
            None => {}
        }
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()?;
    }
    Ok(Exit::Yes)
}

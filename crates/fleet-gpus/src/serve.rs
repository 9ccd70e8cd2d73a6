//! Answering questions.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use fleet_cli::Exit;
use fleet_gpu::{Answer, Gpu, Request, Vendor, may_have_nvidia};

use crate::amd::Amd;
use crate::crew::Look;
use crate::nvidia::{Nvidia, Sight};
use crate::pids;

/// Answers until nobody asks any more, or the driver has to be loaded anew.
///
/// # Errors
/// What is asked is no question, or the answer cannot be written.
pub(crate) fn serve() -> anyhow::Result<Exit> {
    // Whoever asks first waits for the loading of the library, too.
    let mut began = Instant::now();
    let mut server = Server {
        nvidia: may_have_nvidia().then(Nvidia::start),
        amd: Amd::new(),
        roll: Roll::default(),
    };
    let mut out = io::stdout().lock();
    for (turn, line) in io::stdin().lock().lines().enumerate() {
        let request: Request = serde_json::from_str(&line?)?;
        if turn > 0 {
            began = Instant::now();
        }
        let answer = server.answer(&request, began + Duration::from_millis(request.within_ms));
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()?;
        if answer.ends {
            break;
        }
    }
    Ok(Exit::Yes)
}

struct Server {
    nvidia: Option<Result<Nvidia, String>>,
    amd: Amd,
    roll: Roll,
}

impl Server {
    fn answer(&mut self, request: &Request, deadline: Instant) -> Answer {
        let mut answer = Answer::default();
        let looked = match &mut self.nvidia {
            Some(Ok(nvidia)) => nvidia.look(deadline),
            Some(Err(reason)) => Err(reason.clone()),
            None => Ok(Vec::new()),
        };
        let of_nvidia = looked.unwrap_or_else(|reason| {
            answer.problems.push(reason);
            answer.ends = true;
            Vec::new()
        });
        for (index, look) in of_nvidia {
            self.roll.enter(Place { vendor: Vendor::Nvidia, index }, look, &mut answer);
        }
        for (card, look) in self.amd.look(&request.roots, deadline) {
            self.roll.enter(Place { vendor: Vendor::Amd, index: card.index }, look, &mut answer);
        }
        self.roll.call(&mut answer);
        let is_nvidia = |gpu: &Gpu| gpu.vendor == Vendor::Nvidia;
        answer.foreign_pids = answer.gpus.iter().any(is_nvidia) && pids::are_foreign();
        answer
    }
}

/// Where a GPU was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    vendor: Vendor,
    index: u32,
}

/// All GPUs that were ever seen, so that one that vanishes or falls silent is told by its name.
#[derive(Default)]
struct Roll {
    /// By UUID.
    seen: BTreeMap<String, (Place, Gpu)>,
    silent: BTreeMap<Place, Duration>,
}

impl Roll {
    /// Puts what was seen at a place into the answer.
    fn enter(&mut self, place: Place, look: Look<Sight>, answer: &mut Answer) {
        let sight = match look {
            Look::Seen(sight) => sight,
            Look::Silent(since) => {
                self.silent.insert(place, since);
                if !self.seen.values().any(|(at, _)| *at == place) {
                    let Place { vendor, index } = place;
                    let whose = vendor.word();
                    answer.problems.push(format!("GPU {index} of {whose} does not answer"));
                }
                return;
            }
        };
        self.silent.remove(&place);
        // MIG instances come and go with what is wanted of their GPU.
        for gpu in sight.gpus.iter().filter(|gpu| gpu.parent.is_none()) {
            self.seen.insert(gpu.uuid.clone(), (place, gpu.clone()));
        }
        answer.gpus.extend(sight.gpus);
        answer.problems.extend(sight.problems);
    }

    /// Adds those that are missing, at the end.
    fn call(&self, answer: &mut Answer) {
        // When no GPU could be asked at all, that has been said.
        if answer.ends {
            return;
        }
        for (uuid, (place, gpu)) in &self.seen {
            if answer.gpus.iter().any(|gpu| gpu.uuid == *uuid) {
                continue;
            }
            let reason = match self.silent.get(place) {
                Some(since) => {
                    format!("its driver has not answered for {:.1} s", since.as_secs_f64())
                }
                None => "it is not there any more".to_owned(),
            };
            answer.gpus.push(gpu.as_lost(&reason));
        }
    }
}

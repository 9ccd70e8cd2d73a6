//! What wakes the tool from its sleep on standard input, beside input: news of the couriers, and
//! signals that end it.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a signal lets the tool finish what it is at. Whatever is not done by then is in the
/// spool and the memory, and the next run goes on with it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Can be heard while one waits for input.
pub(crate) struct Waker {
    pipe: PipeReader,
    bell: Bell,
}

/// Wakes a [`Waker`], from any thread.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Inner>);

struct Inner {
    pipe: PipeWriter,
    /// A byte is in the pipe: one is enough.
    rung: AtomicBool,
    ending: AtomicBool,
    finished: Mutex<bool>,
    changed: Condvar,
}

impl Waker {
    /// A waker that signals ring, too.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(crate) fn new() -> io::Result<Waker> {
        let (reader, writer) = io::pipe()?;
        let inner = Inner {
            pipe: writer,
            rung: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            finished: Mutex::new(false),
            changed: Condvar::new(),
        };
        let waker = Waker { pipe: reader, bell: Bell(Arc::new(inner)) };
        let bell = waker.bell();
        fleet_os::before_end(move || bell.end())?;
        Ok(waker)
    }

    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Takes note that it rang.
    pub(crate) fn heard(&mut self) -> io::Result<()> {
        self.pipe.read_exact(&mut [0])?;
        // From here on it is rung anew; what it rang for is looked at after this.
        self.bell.0.rung.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Whether a signal wants the tool to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.bell.0.ending.load(Ordering::SeqCst)
    }

    /// All is done. Where a signal wanted that, it ends the process now.
    pub(crate) fn finish(&self) {
        *self.bell.0.finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.0.changed.notify_all();
        if self.is_ending() {
            // The thread that took the signal passes it on.
            std::thread::sleep(LAST_WORDS);
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Bell {
    /// Wakes whoever waits for input.
    pub(crate) fn ring(&self) {
        if !self.0.rung.swap(true, Ordering::SeqCst) {
            // The pipe is open as long as there is somebody to be woken.
            let _ = (&self.0.pipe).write_all(&[1]);
        }
    }

    /// Asks the tool to end, and lets it, within bounds.
    fn end(&self) {
        self.0.ending.store(true, Ordering::SeqCst);
        self.ring();
        let finished = self.0.finished.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.changed.wait_timeout_while(finished, LAST_WORDS, |finished| !*finished));
    }
}

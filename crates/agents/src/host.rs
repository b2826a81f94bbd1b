//! The driver on a thread of its own, for whoever has no loop to put it in.
//!
//! Programs are children of the thread that started them and end with it (`linux::spawn`), so it is one
//! thread that stays until the host is dropped; then what runs is ended.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use linux::{Interest, Poll};

use crate::{Ask, Driver, Settings, Told};

const DRIVER: u64 = 0;
const BELL: u64 = 1;

/// A thread that runs things.
#[derive(Debug)]
pub struct Host {
    to: Option<Sender<Ask>>,
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts it. `tell` is called on its thread, with everything that is told: it must not wait.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn start(settings: Settings, tell: impl FnMut(Told) + Send + 'static) -> io::Result<Self> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let (to, from) = channel();
        let driver = Driver::new(settings)?;
        let poll = Poll::new()?;
        poll.add(&driver, DRIVER, Interest::Read)?;
        poll.add(&rope, BELL, Interest::Read)?;
        let thread = std::thread::Builder::new()
            .name("ms:agents".into())
            .spawn(move || live(driver, poll, &rope, &from, tell))?;
        Ok(Self { to: Some(to), bell, thread: Some(thread) })
    }

    /// Asks for something.
    pub fn ask(&self, ask: Ask) {
        if let Some(to) = &self.to {
            // The thread ends only after us.
            let _ = to.send(ask);
            let _ = (&self.bell).write(&[1]);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.to = None;
        let _ = (&self.bell).write(&[1]);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn live(
    mut driver: Driver,
    mut poll: Poll,
    mut rope: &UnixStream,
    from: &Receiver<Ask>,
    mut tell: impl FnMut(Told),
) {
    let mut rings = [0; 256];
    loop {
        if poll.wait(None).map(|ready| ready.for_each(drop)).is_err() {
            return;
        }
        while matches!(rope.read(&mut rings), Ok(n) if n > 0) {}
        loop {
            match from.try_recv() {
                Ok(ask) => driver.ask(ask),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        match driver.advance() {
            Ok(told) => told.into_iter().for_each(&mut tell),
            Err(_) => return,
        }
    }
}

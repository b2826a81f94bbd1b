//! Delivering mail: a thread, because a mail server may take its time, and scripts may not.
//!
//! A letter that a server refuses for good is given up, one that cannot be delivered now is tried
//! again, later and later. When too many wait, the oldest are given up. All of it is told.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use lettre::message::header::{ContentTransferEncoding, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport as _};

use crate::mail::{Delivery, Letter, PostOffice, WAITING};
use crate::messages::FromRunner;

/// How long to wait after the first failure; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How often a letter is tried: over about an hour.
const ATTEMPTS: u32 = 11;

/// A letter on its way.
struct Parcel {
    id: u64,
    office: PostOffice,
    letter: Letter,
    attempts: u32,
    due: Instant,
}

/// The runner's end.
pub(super) struct Post {
    letters: Sender<Parcel>,
    told: Receiver<(u64, Delivery)>,
    /// Readable when something was told.
    bell: UnixStream,
    untried: u32,
}

impl Post {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (letters, parcels) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let (bell, mut rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        thread::Builder::new().name("ms:post".into()).spawn(move || {
            let mut tell = |id, delivery| {
                // A full bell rings already.
                let _ = (tell.send((id, delivery)), rope.write(&[0]));
            };
            deliver(&parcels, &mut tell);
        })?;
        Ok(Self { letters, told, bell, untried: 0 })
    }

    /// Puts a letter on its way.
    pub(super) fn send(&mut self, id: u64, office: PostOffice, letter: Letter) {
        let parcel = Parcel { id, office, letter, attempts: 0, due: Instant::now() };
        if self.letters.send(parcel).is_ok() {
            self.untried += 1;
        }
    }

    /// What has been told since this was last asked.
    pub(super) fn told(&mut self) -> Vec<FromRunner> {
        let mut rung = [0; 64];
        while matches!(self.bell.read(&mut rung), Ok(1..)) {}
        let told = self.told.try_iter().map(|(job, delivery)| FromRunner::Posted { job, delivery });
        let told: Vec<FromRunner> = told.collect();
        self.untried = self.untried.saturating_sub(u32::try_from(told.len()).unwrap_or(u32::MAX));
        told
    }

    /// Whether every letter has been tried at least once.
    pub(super) fn is_idle(&self) -> bool {
        self.untried == 0
    }
}

impl AsFd for Post {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// The thread: until nobody sends letters any more.
fn deliver(parcels: &Receiver<Parcel>, tell: &mut dyn FnMut(u64, Delivery)) {
    let mut waiting: VecDeque<Parcel> = VecDeque::new();
    loop {
        let next = waiting.iter().map(|parcel| parcel.due).min();
        let fresh = match next {
            None => parcels.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => parcels.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match fresh {
            Ok(parcel) => waiting.push_back(parcel),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        waiting.extend(parcels.try_iter());
        while waiting.len() > WAITING {
            if let Some(oldest) = waiting.pop_front() {
                tell(oldest.id, Delivery::GivenUp("too many wait behind it".into()));
            }
        }
        let now = Instant::now();
        if let Some(at) = waiting.iter().position(|parcel| parcel.due <= now)
            && let Some(parcel) = waiting.remove(at)
        {
            waiting.extend(attempt(parcel, tell));
        }
    }
}

/// Tries once; the letter comes back when it is to be tried again.
fn attempt(mut parcel: Parcel, tell: &mut dyn FnMut(u64, Delivery)) -> Option<Parcel> {
    parcel.attempts += 1;
    let (why, hopeless) = match hand_in(&parcel.office, &parcel.letter) {
        Ok(()) => {
            tell(parcel.id, Delivery::Done);
            return None;
        }
        Err(refused) => refused,
    };
    if hopeless || parcel.attempts >= ATTEMPTS {
        tell(parcel.id, Delivery::GivenUp(why));
        return None;
    }
    if parcel.attempts == 1 {
        tell(parcel.id, Delivery::Later(why));
    }
    parcel.due = Instant::now() + FIRST_PAUSE * 2_u32.saturating_pow(parcel.attempts - 1);
    Some(parcel)
}

/// Hands a letter to the server; else why not, and whether that is for good.
fn hand_in(office: &PostOffice, letter: &Letter) -> Result<(), (String, bool)> {
    let message = message(office, letter).map_err(|why| (why, true))?;
    let transport = SmtpTransport::builder_dangerous(office.host.clone())
        .port(office.port)
        .hello_name(ClientId::Domain(office.greeting.clone()))
        .timeout(Some(office.timeout))
        .build();
    let place = format!("{}:{}", office.host, office.port);
    match transport.send(&message) {
        Ok(_) => Ok(()),
        Err(error) => Err((format!("{place}: {}", causes(&error)), error.is_permanent())),
    }
}

fn message(office: &PostOffice, letter: &Letter) -> Result<Message, String> {
    let mailbox = |address: &String| {
        address.parse::<Mailbox>().map_err(|error| format!("`{address}` is no address: {error}"))
    };
    let mailer = HeaderName::new_from_ascii_str("X-Mailer");
    let mut message = Message::builder()
        .date_now()
        .from(mailbox(&office.from)?)
        .subject(letter.subject.clone())
        .raw_header(HeaderValue::new(mailer, "Keepalived".into()));
    for to in &office.to {
        message = message.to(mailbox(to)?);
    }
    let text = letter.text.clone();
    message.header(ContentTransferEncoding::SevenBit).body(text).map_err(|error| error.to_string())
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn office(port: u16) -> PostOffice {
        PostOffice {
            host: "127.0.0.1".into(),
            port,
            timeout: Duration::from_secs(5),
            greeting: "node".into(),
            from: "keepalived@node.example".into(),
            to: vec!["a@b.example".into(), "C <c@d.example>".into()],
        }
    }

    /// A server that takes one mail, or refuses its sender with `answer`; all that it was told.
    fn server(listener: &TcpListener, answer: &str) -> String {
        let (stream, _) = listener.accept().unwrap();
        let mut out: TcpStream = stream.try_clone().unwrap();
        let mut said = String::new();
        let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        say("220 sink");
        let mut in_data = false;
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            said += &format!("{line}\n");
            match line.split(' ').next().unwrap_or_default() {
                "." => {
                    in_data = false;
                    say("250 ok");
                }
                _ if in_data => {}
                "DATA" => {
                    in_data = true;
                    say("354 go on");
                }
                "MAIL" => say(answer),
                "QUIT" => {
                    say("221 bye");
                    break;
                }
                _ => say("250 ok"),
            }
        }
        said
    }

    fn letter() -> Letter {
        Letter { subject: "[R1] VRRP Instance VI_1 - Stopping".into(), text: "=> x <=\r\n".into() }
    }

    #[test]
    fn a_letter_is_handed_in_with_its_headers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let office = office(listener.local_addr().unwrap().port());
        let sink = thread::spawn(move || server(&listener, "250 ok"));
        hand_in(&office, &letter()).unwrap();
        let said = sink.join().unwrap();
        for line in [
            "EHLO node",
            "MAIL FROM:<keepalived@node.example>",
            "RCPT TO:<a@b.example>",
            "RCPT TO:<c@d.example>",
            "Subject: [R1] VRRP Instance VI_1 - Stopping",
            "X-Mailer: Keepalived",
            "=> x <=",
        ] {
            assert!(said.lines().any(|one| one == line), "{line}\n{said}");
        }
    }

    #[test]
    fn what_a_server_refuses_for_good_is_given_up_and_what_it_defers_is_not() {
        for (answer, hopeless) in [("550 no", true), ("451 later", false)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let office = office(listener.local_addr().unwrap().port());
            let sink = thread::spawn(move || server(&listener, answer));
            let refused = hand_in(&office, &letter()).unwrap_err();
            assert_eq!(refused.1, hopeless, "{refused:?}");
            sink.join().unwrap();
        }
    }

    #[test]
    fn a_letter_waits_for_a_server_that_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut post = Post::start().unwrap();
        post.send(7, office(port), letter());
        let mut told = Vec::new();
        let mut wait = |post: &mut Post| {
            let begun = Instant::now();
            while told.is_empty() && begun.elapsed() < Duration::from_secs(30) {
                told = post.told();
                thread::sleep(Duration::from_millis(10));
            }
            std::mem::take(&mut told)
        };
        let first = wait(&mut post);
        let later = |one: &FromRunner| {
            matches!(one, FromRunner::Posted { job: 7, delivery: Delivery::Later(_) })
        };
        assert!(first.len() == 1 && later(&first[0]), "{first:?}");
        assert!(post.is_idle(), "nobody waits for what was tried");
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let sink = thread::spawn(move || server(&listener, "250 ok"));
        let second = wait(&mut post);
        assert_eq!(second, [FromRunner::Posted { job: 7, delivery: Delivery::Done }]);
        assert!(sink.join().unwrap().contains("Stopping"));
    }
}

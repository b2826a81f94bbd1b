//! One thing that was asked for, and how far it is.
//!
//! Most are one program. Some need to know first: what an agent can do (before a reload, before a
//! check of parameters), whether a device can reach a node (before it is told to). Each step ends in
//! the next, or in what is told.

use core::time::Duration;

use base::{Instant, Name};
use cluster::executor::{Call, CallDone};
use cluster::fencer::{self, Check};
use cluster::operation::OpStatus;
use linux::SpawnError;

pub(super) use super::knowledge::Known;
use super::knowledge::{self, Lists};
use crate::exit::{self, Ended};
use crate::fence::{self, Registered};
use crate::places::{AgentId, Found, Kind, NotFound, Settings};
use crate::program::{Command, Finished, How};
use crate::systemd::Work;
use crate::{Told, Validation};

/// How long an agent may take to describe itself or to check parameters.
const QUESTION: Duration = Duration::from_secs(30);
/// How often a monitor of a fence device is tried if nothing else is said.
const TRIES: u32 = 2;

/// What it is about.
#[derive(Debug)]
pub(super) enum About {
    Call(Call),
    Fence(fencer::Call),
    Metadata(u64, AgentId),
    Validate(u64, AgentId, Vec<(String, String)>),
}

/// What runs now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The agent describes itself.
    Learning,
    /// The device lists what it can reach.
    Listing,
    /// The device tells the status of the node's port.
    Asking,
    /// The thing itself.
    Acting,
}

/// How a job goes on.
pub(super) enum Next {
    Run(Way),
    Tell(Told),
}

/// By what.
pub(super) enum Way {
    Program(Command),
    Unit(Work),
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) about: About,
    /// When it is ended.
    pub(super) until: Option<Instant>,
    /// It was ended, and its end has not come yet.
    pub(super) ended: bool,
    /// Nobody wants to know any more.
    pub(super) disowned: bool,
    stage: Stage,
    /// The agent was asked to describe itself.
    asked: bool,
    /// The device is known to reach the node; or: how often it was tried.
    tries: u32,
}

impl Job {
    pub(super) fn new(now: Instant, about: About) -> Self {
        let until = match &about {
            About::Call(call) => Some(now + call.order.timeout),
            // The fencer says when.
            About::Fence(_) => None,
            About::Metadata(..) | About::Validate(..) => Some(now + QUESTION),
        };
        Self {
            about,
            until,
            ended: false,
            disowned: false,
            stage: Stage::Acting,
            asked: false,
            tries: 0,
        }
    }

    /// Whether it changes nothing and can wait.
    pub(super) fn waits_for_a_place(&self) -> bool {
        match &self.about {
            About::Call(call) => &*call.order.operation == "monitor",
            About::Fence(_) => false,
            About::Metadata(..) | About::Validate(..) => true,
        }
    }

    /// What its lines on standard error belong to, if they are news.
    pub(super) fn speaks(&self) -> Option<(Name, Name)> {
        match &self.about {
            About::Call(call) if call.order.interval == 0 => {
                Some((call.order.resource.clone(), call.order.operation.clone()))
            }
            About::Fence(call) => Some((call.device.clone(), "fence".into())),
            _ => None,
        }
    }

    fn agent(&self) -> AgentId {
        match &self.about {
            About::Call(Call { order, .. }) => AgentId {
                class: order.class.clone(),
                provider: order.provider.clone(),
                agent: order.agent.clone(),
            },
            About::Fence(call) => {
                AgentId { class: "stonith".into(), provider: "".into(), agent: call.agent.clone() }
            }
            About::Metadata(_, agent) | About::Validate(_, agent, _) => agent.clone(),
        }
    }

    /// The first step.
    pub(super) fn begin(
        &mut self,
        settings: &Settings,
        known: &mut Known,
        registered: &Registered,
    ) -> Next {
        let agent = self.agent();
        let found = match settings.find(&agent) {
            Ok(found) => found,
            Err(error) => return Next::Tell(self.not_found(&error)),
        };
        let (kind, path, file) = match found {
            Found::Unit(unit) => return self.unit(unit),
            Found::Program(kind, path, file) => (kind, path, file),
        };
        let command = |arguments: &[&str], environment, input, keep| Command {
            path: path.clone(),
            file,
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            environment,
            input,
            keep,
        };
        let learns = match &self.about {
            About::Metadata(..) => true,
            About::Validate(..) => known.of(&agent, &path).is_none(),
            About::Call(call) => {
                let word = &*call.order.operation;
                let first = settings.learn && word != "stop" && call.order.interval == 0;
                kind == Kind::Ocf
                    && (word.starts_with("reload") || first && !known.is_known(&agent, &path))
                    && known.of(&agent, &path).is_none()
            }
            About::Fence(call) => {
                call.check == Check::Default
                    && call.node.is_some()
                    && known.of(&agent, &path).is_none()
            }
        };
        if learns && !self.asked {
            self.asked = true;
            self.stage = Stage::Learning;
            if kind == Kind::Lsb {
                let why = "init scripts do not describe themselves".to_owned();
                return Next::Tell(self.learned_nothing(why));
            }
            let (arguments, environment, input) = knowledge::question(kind, &agent, settings);
            let keep = crate::metadata::LONGEST + 1;
            return Next::Run(Way::Program(command(&arguments, environment, input, keep)));
        }
        let run = |arguments: &[&str], environment, input| {
            Next::Run(Way::Program(command(arguments, environment, input, 64 * 1024)))
        };
        let metadata = known.of(&agent, &path);
        match (&self.about, kind) {
            (About::Call(call), Kind::Ocf) => {
                let order = &call.order;
                let _ = std::fs::create_dir_all(&settings.run);
                let mut word = &*order.operation;
                if word.starts_with("reload") {
                    let can = |word: &str| metadata.is_some_and(|it| it.can(word));
                    word = match (can("reload-agent"), can("reload")) {
                        (true, _) => "reload-agent",
                        (false, true) => "reload",
                        (false, false) => {
                            let why = "the agent does not know how to reload";
                            let ended =
                                Ended::failed(OpStatus::NotSupported, exit::UNIMPLEMENTED, why);
                            return Next::Tell(self.done(ended));
                        }
                    };
                }
                run(&[word], crate::environment::ocf(order, settings), Vec::new())
            }
            (About::Call(call), Kind::Lsb) => {
                let Some(word) = exit::word_of_init_script(&call.order.operation) else {
                    let why = format!("init scripts know no `{}`", call.order.operation);
                    let ended = Ended::failed(OpStatus::NotSupported, exit::UNIMPLEMENTED, why);
                    return Next::Tell(self.done(ended));
                };
                run(&[word], crate::environment::plain(settings), Vec::new())
            }
            (About::Call(call), Kind::Fence) => {
                let order = &call.order;
                let probe = &*order.operation == "monitor" && order.interval == 0;
                let at_once = match &*order.operation {
                    "stop" => Some(Ended::with(exit::OK)),
                    "monitor" if probe && registered.has(&order.resource) => {
                        Some(Ended::with(exit::OK))
                    }
                    "monitor" if probe => Some(Ended::with(exit::NOT_RUNNING)),
                    "start" | "monitor" => None,
                    other => {
                        let why = format!("fence devices know no `{other}`");
                        Some(Ended::failed(OpStatus::NotSupported, exit::UNIMPLEMENTED, why))
                    }
                };
                if let Some(ended) = at_once {
                    return Next::Tell(self.done(ended));
                }
                let device = fence::device(order);
                let word = device.parameters.get("pcmk_monitor_action");
                let lines = device.lines(word.map_or("monitor", |it| it), None);
                run(&[], crate::environment::plain(settings), fence::input(&lines))
            }
            (About::Fence(call), _) => {
                let port = fence::port(&call.lines).unwrap_or_default();
                let listed = known.lists.has(&call.device, port);
                let can = |word: &str| metadata.is_some_and(|it| it.can(word));
                let listable =
                    call.check == Check::List || call.check == Check::Default && can("list");
                let refuses = listed == Lists::Cannot && call.check == Check::Default;
                let stage = match call.check {
                    Check::Needless => Stage::Acting,
                    _ if self.tries > 0 || call.node.is_none() => Stage::Acting,
                    Check::Status => Stage::Asking,
                    _ if listed == Lists::Names => Stage::Acting,
                    _ if listable && !refuses => Stage::Listing,
                    _ if can("status") => Stage::Asking,
                    _ => Stage::Acting,
                };
                self.stage = stage;
                let lines = match stage {
                    Stage::Listing => fence::with_action(&call.lines, "list"),
                    Stage::Asking => fence::with_action(&call.lines, "status"),
                    Stage::Learning | Stage::Acting => call.lines.clone(),
                };
                run(&[], crate::environment::plain(settings), fence::input(&lines))
            }
            (About::Validate(_, agent, parameters), Kind::Ocf | Kind::Fence) => {
                self.stage = Stage::Acting;
                if !metadata.is_some_and(|it| it.can("validate-all")) {
                    let why = "it has no action `validate-all`".to_owned();
                    return Next::Tell(self.validated(None, why, known, &path));
                }
                let order = knowledge::imagined(agent, parameters);
                if kind == Kind::Ocf {
                    let environment = crate::environment::ocf(&order, settings);
                    return run(&["validate-all"], environment, Vec::new());
                }
                let lines = fence::device(&order).lines("validate-all", None);
                run(&[], crate::environment::plain(settings), fence::input(&lines))
            }
            (About::Validate(..), Kind::Lsb) | (About::Metadata(..), _) => {
                let why = "it cannot be asked".to_owned();
                Next::Tell(self.validated(None, why, known, &path))
            }
        }
    }

    fn unit(&mut self, unit: String) -> Next {
        match &self.about {
            About::Call(call) => {
                let verb = call.order.operation.clone();
                Next::Run(Way::Unit(Work { unit, verb }))
            }
            _ => {
                let why = "units do not describe themselves".to_owned();
                Next::Tell(self.learned_nothing(why))
            }
        }
    }

    /// What runs has ended.
    pub(super) fn finished(
        &mut self,
        finished: Finished,
        settings: &Settings,
        known: &mut Known,
        registered: &Registered,
    ) -> Next {
        if self.ended {
            return Next::Tell(self.gave_up());
        }
        let agent = self.agent();
        let path = match settings.find(&agent) {
            Ok(Found::Program(_, path, _)) => path,
            _ => Default::default(),
        };
        if self.stage == Stage::Learning {
            let read = knowledge::answer(&agent, &finished);
            let answer = match &read {
                Ok(metadata) => Ok(metadata.clone()),
                Err(error) => Err(format!("{agent}: {error}")),
            };
            known.learn(agent, &path, read.map_err(|error| error.to_string()));
            return match &self.about {
                About::Metadata(number, _) => Next::Tell(Told::Metadata(*number, answer)),
                About::Validate(..) if answer.is_err() => {
                    let why = answer.err().unwrap_or_default();
                    Next::Tell(self.learned_nothing(why))
                }
                _ => {
                    self.stage = Stage::Acting;
                    self.begin(settings, known, registered)
                }
            };
        }
        match &self.about {
            About::Call(call) if &*call.order.class == "stonith" => {
                let result = fence::done(&finished);
                self.tries += 1;
                let tries = fence::device(&call.order);
                let tries = tries.parameters.get("pcmk_monitor_retries");
                let tries = tries.and_then(|it| it.parse().ok()).unwrap_or(TRIES);
                match result {
                    Err(_) if self.tries < tries => self.begin(settings, known, registered),
                    Err(why) => {
                        let ended = Ended::failed(OpStatus::Error, exit::ERROR, why);
                        Next::Tell(self.done(ended))
                    }
                    Ok(()) => Next::Tell(self.done(Ended::with(exit::OK))),
                }
            }
            About::Call(call) => {
                let ended = ended(&call.order, finished);
                Next::Tell(self.done(ended))
            }
            About::Fence(call) => {
                let (number, device) = (call.number, call.device.clone());
                let port = fence::port(&call.lines).unwrap_or_default().to_owned();
                let refuse = |why: String| Next::Tell(Told::FenceDone(number, Err(why)));
                match self.stage {
                    Stage::Listing => {
                        let result = fence::done(&finished);
                        let explicit = call.check == Check::List;
                        known.lists.learn(&device, result.is_ok().then_some(finished.output.0));
                        match (result, known.lists.has(&device, &port)) {
                            (Ok(()), Lists::Names) => {}
                            (Ok(()), _) => {
                                return refuse(format!("its list does not have `{port}`"));
                            }
                            (Err(why), _) if explicit => {
                                return refuse(format!("its list cannot be had: {why}"));
                            }
                            // It is asked for the status next.
                            (Err(_), _) => return self.begin(settings, known, registered),
                        }
                    }
                    Stage::Asking if !fence::knows(&finished) => {
                        let why = fence::done(&finished).err().unwrap_or_default();
                        return refuse(format!("it does not know `{port}`: {why}"));
                    }
                    Stage::Asking => {}
                    Stage::Learning | Stage::Acting => {
                        return Next::Tell(Told::FenceDone(number, fence::done(&finished)));
                    }
                }
                self.tries = 1;
                self.begin(settings, known, registered)
            }
            About::Validate(..) => {
                let rc = match finished.how {
                    How::Exited(rc) => Some(rc),
                    _ => None,
                };
                let said = finished.reason.or(finished.lines.last().cloned());
                let reason = said.filter(|_| rc != Some(0)).unwrap_or_default();
                Next::Tell(self.validated(rc, reason, known, &path))
            }
            About::Metadata(..) => Next::Tell(self.learned_nothing(String::new())),
        }
    }

    pub(super) fn unit_ended(&mut self, ended: Ended) -> Next {
        Next::Tell(self.done(ended))
    }

    /// What is told of one that was ended before it came to an end.
    pub(super) fn gave_up(&self) -> Told {
        match &self.about {
            About::Call(call) => {
                let within = call.order.timeout.as_millis();
                let why = format!("it did not end within {within} ms");
                self.done(Ended::failed(OpStatus::TimedOut, exit::ERROR, why))
            }
            About::Fence(call) => {
                Told::FenceDone(call.number, Err("it was ended, for it took too long".to_owned()))
            }
            About::Metadata(..) | About::Validate(..) => {
                self.learned_nothing(format!("it did not answer within {} s", QUESTION.as_secs()))
            }
        }
    }

    /// The device that is (not) started by what is told.
    pub(super) fn registers(&self, told: &Told) -> Option<(Name, bool)> {
        let (About::Call(call), Told::Done(done)) = (&self.about, told) else { return None };
        let order = &call.order;
        let well = done.status == OpStatus::Done && done.rc == exit::OK;
        match (&*order.class, &*order.operation) {
            ("stonith", "start") if well => Some((order.resource.clone(), true)),
            ("stonith", "stop") => Some((order.resource.clone(), false)),
            _ => None,
        }
    }

    fn not_found(&self, error: &NotFound) -> Told {
        let (rc, status) = match error {
            NotFound::Missing { .. } | NotFound::Class(_) => {
                (exit::INSTALLED, OpStatus::NotInstalled)
            }
            NotFound::Name(_) => (exit::CONFIGURED, OpStatus::Error),
            NotFound::Unsafe { .. } => (exit::PERMISSION, OpStatus::Error),
        };
        self.failed(rc, status, error.to_string())
    }

    fn failed(&self, rc: i32, status: OpStatus, why: String) -> Told {
        match &self.about {
            About::Call(_) => self.done(Ended::failed(status, rc, why)),
            About::Fence(call) => Told::FenceDone(call.number, Err(why)),
            About::Metadata(..) | About::Validate(..) => self.learned_nothing(why),
        }
    }

    fn done(&self, ended: Ended) -> Told {
        let About::Call(call) = &self.about else {
            return self.failed(ended.rc, ended.status, ended.reason);
        };
        let Ended { rc, status, reason } = ended;
        Told::Done(CallDone { number: call.number, rc, status, reason })
    }

    fn learned_nothing(&self, why: String) -> Told {
        match &self.about {
            About::Metadata(number, _) => Told::Metadata(*number, Err(why)),
            About::Validate(number, ..) => {
                let complaints = Vec::new();
                Told::Validated(*number, Validation { rc: None, reason: why, complaints })
            }
            About::Fence(call) => Told::FenceDone(call.number, Err(why)),
            About::Call(call) => Told::Done(CallDone {
                number: call.number,
                rc: exit::ERROR,
                status: OpStatus::Error,
                reason: why,
            }),
        }
    }

    fn validated(
        &self,
        rc: Option<i32>,
        reason: String,
        known: &Known,
        path: &std::path::Path,
    ) -> Told {
        let About::Validate(number, agent, parameters) = &self.about else {
            return self.learned_nothing(reason);
        };
        let metadata = known.of(agent, path);
        let complaints = metadata.map(|it| it.judge(parameters)).unwrap_or_default();
        Told::Validated(*number, Validation { rc, reason, complaints })
    }
}

/// What a program that could not be started comes to.
pub(super) fn not_started(error: SpawnError) -> Finished {
    Finished {
        how: How::NotStarted(error),
        output: (Vec::new(), false),
        reason: None,
        lines: Vec::new(),
    }
}

/// How an action of a resource ended.
fn ended(order: &cluster::controller::Order, finished: Finished) -> Ended {
    let of_init_script = matches!(&*order.class, "lsb" | "service");
    match finished.how {
        How::Exited(rc) if of_init_script => {
            let word = exit::word_of_init_script(&order.operation).unwrap_or_default();
            Ended::with(exit::of_init_script(word, rc))
        }
        How::Exited(rc) => Ended { reason: finished.reason.unwrap_or_default(), ..Ended::with(rc) },
        How::Signalled(signal) => {
            let why = format!("signal {signal} ended the agent");
            Ended::failed(OpStatus::Error, exit::ERROR, why)
        }
        How::Ended => Ended::failed(OpStatus::TimedOut, exit::ERROR, "it was ended"),
        How::NotStarted(error) => {
            let (rc, status) = match &error {
                SpawnError::NoInterpreter(_) | SpawnError::InterpreterMissing(_) => {
                    (exit::INSTALLED, OpStatus::NotInstalled)
                }
                SpawnError::Argument(_) => (exit::CONFIGURED, OpStatus::Error),
                SpawnError::Refused { source, .. }
                    if source.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    (exit::PERMISSION, OpStatus::Error)
                }
                _ => (exit::ERROR, OpStatus::Error),
            };
            Ended::failed(status, rc, error.to_string())
        }
    }
}

//! `--output-as` and `--output-to`: in which form a tool answers, and where.
//!
//! As XML an answer has a frame: what was asked, and the exit status with its meaning. Only
//! `crm_verify` has it; its findings go to standard error in either form, as those of Pacemaker 2.1.5
//! do.

use std::ffi::OsString;
use std::fs;

use cib::xml::Element;

/// The version of the frame that Pacemaker 2.1.5 writes.
const API: &str = "2.25";

/// How to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Inside a frame.
    xml: bool,
    /// A file; standard output if none.
    file: Option<String>,
}

impl Answer {
    /// Reads an option, if it is one of these; whether it was.
    pub(crate) fn option(
        &mut self,
        name: &str,
        value: &mut dyn FnMut() -> Option<String>,
    ) -> Result<bool, String> {
        match name {
            "output-as" => match value().as_deref() {
                Some("text") => self.xml = false,
                Some("xml") => self.xml = true,
                Some(other) => return Err(format!("--output-as {other}: say text or xml")),
                None => return Err("Missing argument for --output-as".into()),
            },
            "output-to" => {
                let file = value().ok_or("Missing argument for --output-to")?;
                self.file = Some(file).filter(|file| file != "-");
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether it is wanted as XML.
    pub(crate) fn is_xml(&self) -> bool {
        self.xml
    }

    /// Gives the answer to a command that ends with such a status.
    pub(crate) fn give(
        &self,
        text: &str,
        arguments: &[OsString],
        status: u8,
    ) -> Result<(), String> {
        let text = if self.xml { frame(arguments, status) } else { text.to_owned() };
        match &self.file {
            Some(file) => fs::write(file, text).map_err(|error| format!("{file}: {error}")),
            None => {
                print!("{text}");
                Ok(())
            }
        }
    }
}

fn frame(arguments: &[OsString], status: u8) -> String {
    let words: Vec<String> =
        arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut result =
        Element::new("pacemaker-result").with("api-version", API).with("request", &words.join(" "));
    let (code, meaning) = (status.to_string(), meaning(status));
    result.push(Element::new("status").with("code", &code).with("message", meaning));
    result.pretty()
}

/// What an exit status of Pacemaker's tools means.
fn meaning(status: u8) -> &'static str {
    match status {
        0 => "OK",
        64 => "Incorrect usage",
        66 => "Input file not available",
        76 => "Protocol violated",
        78 => "Invalid configuration",
        _ => "Error occurred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_what_was_asked_and_how_it_ended() {
        let asked: Vec<OsString> = ["crm_verify", "-X", "<cib a=\"1\"/>"].map(Into::into).into();
        let root = cib::xml::parse(&frame(&asked, 78)).expect("well-formed").root;
        assert_eq!(root.get("request"), Some("crm_verify -X <cib a=\"1\"/>"));
        let status = root.child("status").expect("a status");
        assert_eq!(status.get("code"), Some("78"));
        assert_eq!(status.get("message"), Some("Invalid configuration"));
    }

    #[test]
    fn forms_and_places_are_read() {
        let mut answer = Answer::default();
        let given = |word: &str| {
            let mut word = Some(word.to_owned());
            move || word.take()
        };
        assert_eq!(answer.option("output-as", &mut given("xml")), Ok(true));
        assert_eq!(answer.option("output-to", &mut given("f")), Ok(true));
        assert_eq!(answer, Answer { xml: true, file: Some("f".into()) });
        assert_eq!(answer.option("output-to", &mut given("-")), Ok(true));
        assert_eq!(answer.option("output-as", &mut given("text")), Ok(true));
        assert_eq!(answer, Answer::default());
        assert_eq!(answer.option("quiet", &mut given("")), Ok(false));
        assert!(answer.option("output-as", &mut given("html")).is_err());
        assert!(answer.option("output-to", &mut || None).is_err());
    }
}

//! `--output-as` and `--output-to`: in which form a tool answers, and where.
//!
//! As XML an answer has a frame: what was asked, what there is to say, and the exit status with its
//! meaning. What `crm_verify` finds goes to standard error in either form, as with Pacemaker 2.1.5.

use std::ffi::OsString;
use std::fs;

use cib::xml::{Element, Node};

use crate::live::Said;

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
        let said = Said { text: text.to_owned(), status, ..Said::default() };
        print!("{}", self.write(&said, arguments)?);
        Ok(())
    }

    /// What is to be written on standard output, if it was not told to write it elsewhere.
    pub(crate) fn write(&self, said: &Said, arguments: &[OsString]) -> Result<String, String> {
        let text = if self.xml { frame(arguments, said) } else { said.text.clone() };
        match &self.file {
            Some(file) => {
                fs::write(file, text).map_err(|error| format!("{file}: {error}"))?;
                Ok(String::new())
            }
            None => Ok(text),
        }
    }
}

fn frame(arguments: &[OsString], said: &Said) -> String {
    let words: Vec<String> =
        arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut result =
        Element::new("pacemaker-result").with("api-version", API).with("request", &words.join(" "));
    result.children.extend(said.content.iter().cloned().map(Node::Element));
    let (code, meaning) = (said.status.to_string(), meaning(said.status));
    let mut status = Element::new("status").with("code", &code).with("message", meaning);
    if !said.errors.is_empty() {
        let mut errors = Element::new("errors");
        for line in &said.errors {
            let mut error = Element::new("error");
            error.children.push(Node::Text(line.as_str().into()));
            errors.push(error);
        }
        status.push(errors);
    }
    result.push(status);
    result.pretty()
}

/// What an exit status of Pacemaker's tools means.
fn meaning(status: u8) -> &'static str {
    match status {
        0 => "OK",
        4 => "Insufficient privileges",
        64 => "Incorrect usage",
        66 => "Input file not available",
        65 => "Invalid data given",
        69 => "Necessary service unavailable",
        70 => "Internal software bug",
        74 => "I/O error occurred",
        76 => "Protocol violated",
        77 => "Insufficient privileges",
        78 => "Invalid configuration",
        102 => "Not connected",
        103 => "Update was older than existing configuration",
        105 => "No such object",
        106 => "Quorum required",
        107 => "Operation not safe",
        108 => "Requested item already exists",
        109 => "Multiple items match request",
        124 => "Timeout occurred",
        _ => "Error occurred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_what_was_asked_and_how_it_ended() {
        let asked: Vec<OsString> = ["crm_verify", "-X", "<cib a=\"1\"/>"].map(Into::into).into();
        let root = cib::xml::parse(&frame(&asked, &Said { status: 78, ..Said::default() }))
            .expect("well-formed")
            .root;
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

//! What mails about transitions say. Filters and phones are set up for these words.

use base::Subject;

/// The subject and the text of a mail, for a state in the word that scripts are told; `None` for what
/// no mail is about.
#[must_use]
pub fn mail(node: &str, subject: &Subject, word: &str) -> Option<(String, String)> {
    let (what, name, is_group) = match subject {
        Subject::Instance(name) => ("Instance", name, false),
        Subject::Group(name) => ("Group", name, true),
        Subject::Node | Subject::Interface(_) | Subject::Tracker(_) => return None,
    };
    let happened = match word {
        "STOP" => "Stopping".into(),
        "DELETED" => "Deleted".into(),
        state => format!("Entering {state} state"),
    };
    let text = match (is_group, word) {
        (true, "STOP" | "DELETED") => "All VRRP group instances are stopped".into(),
        (true, state) => format!("All VRRP group instances are now in {state} state"),
        (false, "MASTER") => "VRRP Instance is now owning VRRP VIPs".into(),
        (false, _) => "VRRP Instance is no longer owning VRRP VIPs".into(),
    };
    Some((format!("[{node}] VRRP {what} {name} - {happened}"), format!("=> {text} <=\r\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_texts_as_filters_know_them() {
        let vi = Subject::Instance("VI_1".into());
        let (subject, text) = mail("R1", &vi, "MASTER").unwrap();
        assert_eq!(subject, "[R1] VRRP Instance VI_1 - Entering MASTER state");
        assert_eq!(text, "=> VRRP Instance is now owning VRRP VIPs <=\r\n");
        let (subject, text) = mail("R1", &vi, "FAULT").unwrap();
        assert_eq!(subject, "[R1] VRRP Instance VI_1 - Entering FAULT state");
        assert_eq!(text, "=> VRRP Instance is no longer owning VRRP VIPs <=\r\n");
        assert_eq!(mail("R1", &vi, "STOP").unwrap().0, "[R1] VRRP Instance VI_1 - Stopping");
        let (subject, text) = mail("R1", &Subject::Group("G".into()), "BACKUP").unwrap();
        assert_eq!(subject, "[R1] VRRP Group G - Entering BACKUP state");
        assert_eq!(text, "=> All VRRP group instances are now in BACKUP state <=\r\n");
        assert_eq!(mail("R1", &Subject::Node, "STOP"), None);
    }
}

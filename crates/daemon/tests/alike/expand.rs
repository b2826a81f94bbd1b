//! The two lines of a case's configuration that stand for what nearly every case needs.

/// The configuration as it is written down for a node.
pub(crate) fn expand(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words = line.trim();
        if words == "%globals" {
            out.push_str(
                " script_user root\n enable_script_security\n vrrp_notify_fifo /run/lab/fifo\n",
            );
        } else if let Some(name) = words.strip_prefix("%notify ") {
            for hook in ["master", "backup", "fault", "stop"] {
                out.push_str(&format!(" notify_{hook} \"/run/lab/told {name} {hook}\"\n"));
            }
            out.push_str(" notify /run/lab/told\n");
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

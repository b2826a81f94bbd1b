//! Keys that are in files of their own: read when the configuration is, so that a file that cannot be
//! used refuses the configuration as a whole.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use conf::{Code, Config, Diagnostic, Hmac, Secret};

use super::shelf;

/// Puts the contents of every key file in its place.
pub(crate) fn read(config: &mut Config, findings: &mut Vec<Diagnostic>) {
    let blocks = config.instances.iter_mut().filter_map(|instance| instance.hmac.as_mut());
    blocks.for_each(|hmac| read_block(hmac, findings));
}

fn read_block(hmac: &mut Hmac, findings: &mut Vec<Diagnostic>) {
    let place = hmac.place.0;
    for key in &mut hmac.keys {
        let Secret::File(path) = &key.secret else { continue };
        let path = path.clone();
        match read_one(Path::new(&path)) {
            Ok((octets, private)) => {
                key.secret = Secret::Octets(base::Secret::new(octets));
                if !private {
                    let message = format!("others than root can read `{path}`");
                    findings.push(
                        Diagnostic::warning(Code::BadKey, place, message)
                            .label(format!("key {} is in it", key.id))
                            .help("give it to root with mode 0600, and change the key"),
                    );
                }
            }
            Err(why) => findings.push(
                Diagnostic::error(Code::BadKey, place, format!("`{path}` gives no key: {why}"))
                    .label(format!("key {} is to be read from it", key.id))
                    .help("the file holds `hex:` and 64 digits or more, or the key itself, on one line"),
            ),
        }
    }
}

/// The key in a file, and whether nobody but root can read it.
fn read_one(path: &Path) -> Result<(Vec<u8>, bool), String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    let text = shelf::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "it is not text".to_string())?;
    let octets = conf::key_octets(text.trim_end_matches(['\n', '\r']))?;
    Ok((octets, about.permissions().mode() & 0o077 == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_key_file_holds_digits_or_text_and_says_who_may_read_it() {
        let path = std::env::temp_dir().join(format!("mainstay-key-{}", std::process::id()));
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_one(&path)
        };
        let hex = format!("hex:{}\n", "a5".repeat(32));
        assert_eq!(read(&hex, 0o600), Ok((vec![0xa5; 32], true)));
        let text = "k".repeat(40);
        assert_eq!(read(&text, 0o640), Ok((text.clone().into_bytes(), false)));
        assert!(read("canary", 0o600).is_err_and(|why| !why.contains("canary")));
        fs::remove_file(&path).unwrap();
        assert!(read_one(&path).is_err());
    }
}

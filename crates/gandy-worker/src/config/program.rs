//! Which file a program's name means. Looked up once at start, so that a missing program stops a deployment
//! and not, hours later, a job.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// The file of `word`: a name with a slash counts from `cwd`, any other is searched in `path`, as a shell does.
pub fn resolve(word: &str, cwd: &Path, path: Option<&OsStr>) -> Result<PathBuf, String> {
    if word.contains('/') {
        let file = cwd.join(word.strip_prefix("./").unwrap_or(word));
        return match file.metadata() {
            Err(error) => Err(format!(
                "cannot find the program {}: {error}",
                file.display()
            )),
            Ok(metadata) if !metadata.is_file() => {
                Err(format!("the program {} is not a file", file.display()))
            }
            Ok(_) if !executable(&file) => Err(format!(
                "the program {} is not executable: run chmod +x on it",
                file.display()
            )),
            Ok(_) => Ok(file),
        };
    }
    path.and_then(|path| {
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(word))
            .find(|file| file.is_file() && executable(file))
    })
    .ok_or_else(|| {
        format!("cannot find the program \"{word}\" in PATH; one beside the file is written \"./{word}\"")
    })
}

fn executable(file: &Path) -> bool {
    access(file, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_found_beside_or_in_path_or_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "").unwrap();
        let find = |word: &str| resolve(word, folder.path(), Some(folder.path().as_os_str()));
        assert!(find("./tool").unwrap_err().contains("is not executable"));
        assert!(find("tool").is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("./tool").unwrap(), file);
        assert_eq!(find("tool").unwrap(), file);
        assert!(
            find("./nope")
                .unwrap_err()
                .contains("cannot find the program")
        );
        assert!(find("./").unwrap_err().contains("is not a file"));
        assert_eq!(
            resolve("tool", folder.path(), None).unwrap_err(),
            "cannot find the program \"tool\" in PATH; one beside the file is written \"./tool\""
        );
    }
}

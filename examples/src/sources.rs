//! Which files are source files. `scripts/demo` states the same rule for `find`, to check us.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

const ENDINGS: [&str; 5] = ["rs", "lua", "md", "toml", "rb"];

/// Folders whose files nobody wrote by hand.
const GENERATED: [&str; 2] = ["target", "node_modules"];

/// All source files below `root`, sorted: regular files with one of the endings above, outside hidden folders, `target`
/// and `node_modules`. Symbolic links are not followed.
///
/// # Errors
/// A folder cannot be read, or a path is not UTF-8 and so cannot be an argument of a job.
pub fn source_files(root: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() && !is_skipped(&entry.file_name()) {
                folders.push(path);
            } else if kind.is_file() && is_source(&path) {
                files.push(text(path)?);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn is_skipped(folder: &OsStr) -> bool {
    folder.as_encoded_bytes().starts_with(b".") || GENERATED.iter().any(|name| folder == *name)
}

/// By the name's end, as `find -name '*.rs'` does: for `Path::extension`, `.rs` alone has none.
fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    ENDINGS.iter().any(|ending| {
        name.strip_suffix(ending.as_bytes())
            .is_some_and(|stem| stem.ends_with(b"."))
    })
}

fn text(path: PathBuf) -> io::Result<String> {
    path.into_os_string().into_string().map_err(|path| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is not UTF-8", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_crate_has_these_source_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = source_files(root).unwrap();
        for name in ["Cargo.toml", "gandy.toml", "src/sources.rs"] {
            let path = root.join(name).display().to_string();
            assert!(files.contains(&path), "{path} is not among {files:?}");
        }
        assert!(files.is_sorted());
    }

    #[test]
    fn hidden_and_generated_folders_are_left_out() {
        for (name, skipped) in [
            (".git", true),
            ("target", true),
            ("src", false),
            ("targets", false),
        ] {
            assert_eq!(is_skipped(OsStr::new(name)), skipped, "{name}");
        }
    }

    #[test]
    fn endings_decide() {
        for (name, source) in [
            ("a.rs", true),
            (".rs", true),
            ("a.b.lua", true),
            ("rs", false),
            ("a.rss", false),
        ] {
            assert_eq!(is_source(&Path::new("/x").join(name)), source, "{name}");
        }
    }
}

//! Scripts as functions that an administrator has installed: then a worker needs no right to bring scripts along, and
//! runs nothing but these.

use crate::{Line, StoreError, lua};

impl Line {
    /// Installs what is missing, each script as a library of its own, and gives the names of those. What older versions
    /// installed stays, since their workers may still run; `FUNCTION DELETE` removes it.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn install_functions(&self) -> Result<Vec<String>, StoreError> {
        let mut installed = Vec::new();
        for script in lua::ALL {
            let mut load = redis::cmd("FUNCTION");
            load.arg("LOAD").arg(script.library());
            match self.query::<String>(&load).await {
                Ok(name) => installed.push(name),
                Err(StoreError::Refused { cause, .. }) if cause.contains("already exists") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(installed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_a_name_of_its_own_and_its_scripts_flags() {
        let mut names: Vec<&str> = lua::ALL
            .iter()
            .map(|script| script.called(true).1)
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), lua::SCRIPTS.len());
        for script in lua::ALL {
            let library = script.library();
            assert!(!library.contains("flags=allow-oom"), "{library}");
            let full = script.code().starts_with("#!lua flags=allow-oom\n");
            assert_eq!(library.contains("flags={'allow-oom'}"), full, "{library}");
        }
    }
}

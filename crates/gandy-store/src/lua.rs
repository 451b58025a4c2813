//! Scripts: their text, their hash, and a call of one with every key declared (I6). Each is also a function, for a Redis
//! where nobody may bring scripts along (`functions`).

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};

/// A script of `src/lua/`, known by its SHA-1.
#[derive(Debug)]
pub(crate) struct Lua {
    code: &'static str,
    hash: String,
    function: String,
}

impl Lua {
    fn new(name: &str, code: &'static str) -> Self {
        #[cfg(feature = "mutants")]
        let code = crate::mutant::script(name, code);
        let hash = gandy_protocol::sha1_hex(code.as_bytes());
        // By content, so that workers of two versions find each its own.
        let function = format!("gandy_{name}_{}", &hash[..12]);
        Self {
            code,
            hash,
            function,
        }
    }

    /// The command that runs it, and the name by which.
    pub(crate) fn called(&self, functions: bool) -> (&'static str, &str) {
        if functions {
            ("FCALL", &self.function)
        } else {
            ("EVALSHA", &self.hash)
        }
    }

    /// The text of that library.
    pub(crate) fn library(&self) -> String {
        let (first, body) = self.code.split_once('\n').unwrap_or((self.code, ""));
        let flags = if first.contains("allow-oom") {
            "'allow-oom'"
        } else {
            ""
        };
        let name = &self.function;
        format!(
            "#!lua name={name}\nredis.register_function{{function_name='{name}', flags={{{flags}}}, \
             callback=function(KEYS, ARGV)\n{body}\nend}}\n"
        )
    }

    /// Its text.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// Begins a call with all its keys.
    pub(crate) fn keys<K: ToRedisArgs>(&'static self, keys: &[K]) -> Call {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.hash).arg(keys.len());
        for key in keys {
            command.arg(key);
        }
        Call {
            command,
            script: self,
        }
    }
}

/// One call of a script.
#[derive(Debug)]
pub(crate) struct Call {
    command: Cmd,
    script: &'static Lua,
}

impl Call {
    pub(crate) fn arg<A: ToRedisArgs>(&mut self, arg: A) -> &mut Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    /// The same as a call of the function.
    pub(crate) fn of_function(&self) -> Cmd {
        let (verb, name) = self.script.called(true);
        let mut command = redis::cmd(verb);
        command.arg(name);
        for arg in self.command.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = arg {
                command.arg(bytes);
            }
        }
        command
    }

    pub(crate) fn code(&self) -> &'static str {
        self.script.code
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal, $code:expr;)*) => {
        $(pub(crate) static $name: LazyLock<Lua> = LazyLock::new(|| Lua::new($file, $code));)*

        /// Every script.
        pub(crate) static ALL: &[&LazyLock<Lua>] = &[$(&$name),*];

        /// Every script by name: for tests, and for an administrator who loads them ahead of time so that workers
        /// need no right to `SCRIPT LOAD`.
        pub const SCRIPTS: &[(&str, &str)] = &[$(($file, $code)),*];
    };
}

macro_rules! with_prelude {
    ($file:literal) => {
        concat!(include_str!("lua/prelude.lua"), include_str!($file))
    };
}

macro_rules! with_watched {
    ($file:literal) => {
        concat!(include_str!("lua/watched.lua"), include_str!($file))
    };
}

scripts! {
    CLAIM = "claim", include_str!("lua/claim.lua");
    LAND = "land", include_str!("lua/land.lua");
    SETTLE = "settle", with_prelude!("lua/settle.lua");
    RETURN = "return", with_prelude!("lua/return.lua");
    REGISTER = "register", include_str!("lua/register.lua");
    RENEW = "renew", include_str!("lua/renew.lua");
    RETIRE = "retire", with_watched!("lua/retire.lua");
    WATCH = "watch", with_watched!("lua/watch.lua");
    FORGET = "forget", include_str!("lua/forget.lua");
    UNLAND = "unland", include_str!("lua/unland.lua");
    DUE = "due", with_prelude!("lua/due.lua");
    PROMOTE = "promote", with_prelude!("lua/promote.lua");
    DISOWN = "disown", include_str!("lua/disown.lua");
    RESIGN = "resign", include_str!("lua/resign.lua");
    MOVE = "move", with_prelude!("lua/move.lua");
    ACT = "act", with_prelude!("lua/act.lua");
    UNLIST = "unlist", include_str!("lua/unlist.lua");
    ENLIST = "enlist", include_str!("lua/enlist.lua");
    PRUNE = "prune", include_str!("lua/prune.lua");
    DEDUPE = "dedupe", include_str!("lua/dedupe.lua");
}

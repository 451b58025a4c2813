//! Scripts: their text, their hash, and a call of one with every key declared (I6).

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};

/// A script of `src/lua/`, known by its SHA-1.
#[derive(Debug)]
pub(crate) struct Lua {
    code: &'static str,
    hash: String,
}

impl Lua {
    #[cfg_attr(not(feature = "mutants"), allow(unused_variables))]
    fn new(name: &str, code: &'static str) -> Self {
        #[cfg(feature = "mutants")]
        let code = crate::mutant::script(name, code);
        Self {
            code,
            hash: gandy_protocol::sha1_hex(code.as_bytes()),
        }
    }

    /// By what the server knows it.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
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
            code: self.code,
        }
    }
}

/// One call of a script.
#[derive(Debug)]
pub(crate) struct Call {
    command: Cmd,
    code: &'static str,
}

impl Call {
    pub(crate) fn arg<A: ToRedisArgs>(&mut self, arg: A) -> &mut Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal, $code:expr;)*) => {
        $(pub(crate) static $name: LazyLock<Lua> = LazyLock::new(|| Lua::new($file, $code));)*

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
}

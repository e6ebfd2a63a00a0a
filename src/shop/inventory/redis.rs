//! All keys of the room, and its scripts.

use crate::{
    kernel::ids::Bucket,
    platform::redis::{Call, Script},
};

/// The keys of one bucket. They share a hash tag, so that one script may touch them all.
pub(super) struct Keys {
    base: String,
    /// In the order that every script expects.
    all: [String; 4],
}

impl Keys {
    pub(super) fn new(prefix: &str, bucket: &Bucket) -> Self {
        let base = format!("{prefix}{{{bucket}}}");
        let all = ["stock", "claims", "returns", "journal"].map(|key| format!("{base}:{key}"));
        Self { base, all }
    }

    pub(super) fn call(&self, script: &Script) -> Call {
        script.call(&self.all)
    }

    pub(super) fn journal(&self) -> &str {
        let [.., journal] = &self.all;
        journal
    }

    /// Where an opening builds. Each epoch has its own keys, so that two keepers never mix.
    pub(super) fn next(&self, epoch: i64) -> Next {
        let [stock, claims] =
            ["stock", "claims"].map(|key| format!("{}:{key}:next:{epoch}", self.base));
        Next { stock, claims }
    }

    pub(super) fn call_with(&self, script: &Script, next: &Next) -> Call {
        let mut keys = self.all.to_vec();
        keys.extend([next.stock.clone(), next.claims.clone()]);
        script.call(&keys)
    }
}

/// The keys beside the old ones.
pub(super) struct Next {
    pub(super) stock: String,
    pub(super) claims: String,
}

macro_rules! scripts {
    ($($name:ident),*) => {
        /// The scripts in `lua/`, each put together with what all of them share.
        #[derive(Clone)]
        pub struct Scripts {
            $(pub(super) $name: Script),*
        }

        impl Scripts {
            /// The scripts as they are.
            #[must_use]
            pub fn production() -> Self {
                Self::altered(|_, text| text.to_owned())
            }

            /// The scripts with every file changed by `alter`, which gets the file's name without
            /// `.lua` and its text. Tests put in a clock of their own, or take a check out to see
            /// that it is missed.
            pub fn altered(alter: impl Fn(&str, &str) -> String) -> Self {
                let file = |name: &str, text: &str| alter(name, text);
                let shared = [
                    file("clock", include_str!("../../../lua/clock.lua")),
                    file("prelude", include_str!("../../../lua/prelude.lua")),
                    file("units", include_str!("../../../lua/units.lua")),
                    file("claims", include_str!("../../../lua/claims.lua")),
                    file("carts", include_str!("../../../lua/carts.lua")),
                    file("save", include_str!("../../../lua/save.lua")),
                ]
                .concat();
                Self {
                    $($name: Script::new(shared.clone() + &file(
                        stringify!($name),
                        include_str!(concat!("../../../lua/", stringify!($name), ".lua")),
                    ))),*
                }
            }
        }
    };
}

scripts!(
    claim,
    give_back,
    expire,
    restate,
    cart,
    scan,
    begin,
    settle,
    finish,
    abort,
    restock,
    mark_opening,
    swap_in,
    set_totals,
    set_terms,
    snapshot
);

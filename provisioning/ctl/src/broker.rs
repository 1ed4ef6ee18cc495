//! Rules for an external broker.

use barefoot_domain::ClinicId;
use barefoot_trust::{Person, Role};
use barefoot_wire::BrokerRules;
use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints the access rules: who may write and hear what. Give it every listener and every revoked clinic there is.
    Acl {
        kind: Kind,
        /// Somebody who hears of alarms, as the certificate names it; several times for several.
        #[arg(long = "listener", value_name = "NAME")]
        listeners: Vec<String>,
        /// A clinic whose certificates are revoked; several times for several.
        #[arg(long = "revoked", value_name = "ID")]
        revoked: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Mosquitto,
    Emqx,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<String> {
    let Command::Acl {
        kind,
        listeners,
        revoked,
    } = command;
    let mut rules = BrokerRules::default();
    for listener in listeners {
        // What a certificate can say, a rule can.
        rules.listeners.push(Person::new(Role::Listener, listener)?.name);
    }
    for clinic in revoked {
        rules.revoked.push(ClinicId::new(clinic.as_str())?);
    }
    let text = match kind {
        Kind::Mosquitto => rules.mosquitto(),
        Kind::Emqx => rules.emqx(),
    };
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_be_rules_are_refused() {
        let acl = |listener: &str, revoked: &str| Command::Acl {
            kind: Kind::Emqx,
            listeners: vec![listener.into()],
            revoked: vec![revoked.into()],
        };
        assert!(run(&acl("duty-room", "clinic-7")).unwrap().contains("duty-room"));
        for (listener, clinic) in [("a\ntopic read #", "clinic-7"), ("a\"}", "clinic-7"), ("a", "#")] {
            assert!(run(&acl(listener, clinic)).is_err(), "{listener} {clinic}");
        }
    }
}

//! Who may write and hear what at an external broker, in the broker's own words. Every client's user name is the common
//! name of its certificate.

use std::fmt::Write as _;

use barefoot_domain::ClinicId;

use crate::topics;

/// The hub's user name, which can be no clinic's.
const HUB: &str = "_hub";

/// Whom the rules name beside the hub and whoever is a clinic.
#[derive(Debug, Clone, Default)]
pub struct BrokerRules {
    /// Who hears of alarms, as the certificates name them. None may have a clinic's name: a broker could not tell them
    /// apart.
    pub listeners: Vec<String>,
    /// Clinics whose certificates are revoked: they may nothing.
    pub revoked: Vec<ClinicId>,
}

impl BrokerRules {
    /// Mosquitto's `acl_file`.
    #[must_use]
    pub fn mosquitto(&self) -> String {
        let mut rules = String::from(
            "# Made by `barefootctl broker acl mosquitto`.\n\
             # The user name is the common name of the client's certificate (use_identity_as_username).\n\n\
             # The hub reads what every clinic sends and writes to every clinic. No clinic can be called _hub: '_' is not allowed\n\
             # in a clinic's name.\n",
        );
        let _ = writeln!(rules, "user {HUB}");
        let _ = writeln!(rules, "topic read {}", topics::up_filter_of_all());
        let _ = writeln!(rules, "topic write {}", topics::down_filter_of_all());
        let _ = writeln!(rules, "topic write {}", topics::region_alarm());
        for listener in &self.listeners {
            let _ = write!(
                rules,
                "\n# Hears of critical cases that were not read in time.\nuser {listener}\ntopic read {}\n",
                topics::region_alarm()
            );
        }
        for clinic in &self.revoked {
            let _ = write!(
                rules,
                "\n# Its certificates are revoked.\nuser {clinic}\ntopic deny #\n"
            );
        }
        rules.push_str(
            "\n# Each clinic writes the topics that there are under its own `up` and reads its own `down`, nothing else.\n",
        );
        for topic in topics::up_of("%u") {
            let _ = writeln!(rules, "pattern write {topic}");
        }
        let _ = writeln!(rules, "pattern read {}", topics::down_filter_of("%u"));
        rules
    }

    /// EMQX 5's file of rules (`authorization.sources`, `type = file`), with `peer_cert_as_username = cn` and
    /// `no_match = deny`.
    #[must_use]
    pub fn emqx(&self) -> String {
        let quoted = |topics: &[String]| {
            let quoted: Vec<String> = topics.iter().map(|topic| format!("\"{topic}\"")).collect();
            quoted.join(", ")
        };
        let mut rules = String::from(
            "%% Made by `barefootctl broker acl emqx`.\n\
             %% The user name is the common name of the client's certificate (peer_cert_as_username = cn).\n",
        );
        let mut rule = |what: &str, who: &str, does: &str, topics: &[String]| {
            let _ = writeln!(rules, "{{{what}, {who}, {does}, [{}]}}.", quoted(topics));
        };
        let user = |name: &str| format!("{{user, \"{name}\"}}");
        for clinic in &self.revoked {
            rule("deny", &user(clinic.as_str()), "all", &["#".to_owned()]);
        }
        rule("allow", &user(HUB), "subscribe", &[topics::up_filter_of_all()]);
        let written = [topics::down_filter_of_all(), topics::region_alarm()];
        rule("allow", &user(HUB), "publish", &written);
        for listener in &self.listeners {
            rule("allow", &user(listener), "subscribe", &[topics::region_alarm()]);
        }
        rule("allow", "all", "publish", &topics::up_of("${username}"));
        let heard = [topics::down_filter_of("${username}")];
        rule("allow", "all", "subscribe", &heard);
        rules.push_str("{deny, all}.\n");
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> BrokerRules {
        BrokerRules {
            listeners: vec!["duty-room".into()],
            revoked: vec![ClinicId::new("clinic-9").unwrap()],
        }
    }

    #[test]
    fn mosquitto_binds_each_to_its_own() {
        let text = rules().mosquitto();
        for part in [
            "user _hub\ntopic read barefoot/v1/+/up/#\ntopic write barefoot/v1/+/down/#\n",
            "user duty-room\ntopic read barefoot/v1/_region/alarm\n",
            "user clinic-9\ntopic deny #\n",
            "pattern write barefoot/v1/%u/up/result\n",
            "pattern read barefoot/v1/%u/down/#\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let (people, patterns) = text.split_once("pattern").unwrap();
        assert!(!patterns.contains("user "), "patterns come last");
        assert!(!people.contains('%'));
    }

    #[test]
    fn emqx_denies_before_it_allows_and_all_else_at_the_end() {
        let text = rules().emqx();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("%%")).collect();
        assert_eq!(lines[0], "{deny, {user, \"clinic-9\"}, all, [\"#\"]}.");
        assert_eq!(lines.last(), Some(&"{deny, all}."));
        assert!(text.contains(
            "{allow, all, publish, [\"barefoot/v1/${username}/up/result\", \"barefoot/v1/${username}/up/batch\", "
        ));
        assert!(text.contains("{allow, all, subscribe, [\"barefoot/v1/${username}/down/#\"]}."));
    }
}

use super::*;

const EXAMPLE: &str = include_str!("../../hub.example.toml");

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(text, "hub.toml", Path::new("/etc/barefoot"))
}

#[test]
fn the_packages_configuration_loads() {
    let config = parse(include_str!("../../../../provisioning/debian/hub/hub.toml")).unwrap();
    assert!(config.people.is_none() && config.page.listen.ip().is_loopback());
    assert!(config.grpc.is_some() && config.enrolment.is_some());
    assert!(config.images.is_none() && config.dicomweb.is_none());
}

#[test]
fn the_example_loads_and_its_comments_show_the_defaults() {
    let plain = parse(EXAMPLE).unwrap();
    let (before, rest) = EXAMPLE.split_once("# [people.oidc]").unwrap();
    let (_, after) = rest.split_once("\n# only = false\n").unwrap();
    // The provider's table is looked at below.
    let spelled_out: String = [before, after]
        .join("\n")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // Without these there is no default either.
            Some(rest)
                if [
                    "broker",
                    "certificate",
                    "key",
                    "address",
                    "public_url",
                    "webhook",
                    "hub_key",
                    // Of a table that is not there.
                    "authority",
                    "site",
                    "max_backoff_s",
                ]
                .iter()
                .any(|key| rest.starts_with(key)) =>
            {
                line
            }
            Some(rest) if rest.contains(" = ") && !rest.ends_with('.') => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        spelled_out.contains("\nmax_sessions = 4096\n")
            && spelled_out.contains("\nutc_offset_minutes = 480\n")
    );
    assert_eq!(
        format!("{plain:?}"),
        format!("{:?}", parse(&spelled_out).unwrap())
    );
    assert_eq!(plain.directory, Path::new("/var/lib/barefoot-hub"));
}

#[test]
fn a_repository_of_the_audit_log_is_read_and_checked() {
    let with = |address: &str| {
        parse(&format!(
            "{EXAMPLE}\n[audit.repository]\naddress = \"{address}\"\nauthority = \"arr.crt\"\n"
        ))
    };
    let repository = with("arr.example:6514").unwrap().audit_repository.unwrap();
    assert_eq!(
        repository.authority.as_deref(),
        Some(Path::new("/etc/barefoot/arr.crt"))
    );
    let error = with("arr.example").unwrap_err().to_string();
    assert!(error.contains("audit.repository.address"), "{error}");
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = parse(&EXAMPLE.replace("/etc/barefoot-hub/hub.key", "hub.key")).unwrap();
    assert_eq!(config.tls.key, Path::new("/etc/barefoot/hub.key"));
}

#[test]
fn a_page_on_a_network_has_a_sign_in_and_a_sign_in_has_https() {
    let bare = EXAMPLE
        .replace("\n[people]\n", "\n")
        .replace("\n[worklist]\n", "\n");
    let anywhere = |text: &str| text.replace("127.0.0.1:8090", "0.0.0.0:8090");
    let refused = |text: &str, wanted: &str| {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    assert!(parse(&bare).unwrap().people.is_none());
    assert!(parse(&bare.replace("127.0.0.1:8090", "[::1]:8090")).is_ok());
    refused(&anywhere(&bare), "key `page.listen`: without a [people] table");
    refused(
        &anywhere(EXAMPLE),
        "key `page.listen`: plain HTTP is for loopback only",
    );
    let proxy = EXAMPLE.replace("# behind_proxy = false", "behind_proxy = true");
    assert!(parse(&anywhere(&proxy)).unwrap().page.behind_proxy);
    let tls = |text: &str| {
        text.replace("# [page.tls]", "[page.tls]")
            .replace(
                "# certificate = \"/etc/barefoot-hub/page.crt\"",
                "certificate = \"page.crt\"",
            )
            .replace("# key = \"/etc/barefoot-hub/page.key\"", "key = \"page.key\"")
    };
    let page = parse(&anywhere(&tls(EXAMPLE))).unwrap().page;
    assert_eq!(page.tls.unwrap().key, Path::new("/etc/barefoot/page.key"));
    refused(&tls(&proxy), "behind_proxy");
    for key in ["idle_minutes = 30", "absolute_hours = 12", "set_up_hours = 72"] {
        let name = key.split(' ').next().unwrap();
        refused(
            &EXAMPLE.replace(&format!("# {key}"), &format!("{name} = 0")),
            name,
        );
    }
    refused(
        &EXAMPLE.replace("# issuer = \"Barefoot\"", "issuer = \"a:b\""),
        "people.issuer",
    );
    refused(
        &EXAMPLE.replace("# address = \"https", "address = \"ftp"),
        "people.address",
    );
}

#[test]
fn the_examples_provider_loads_and_each_mistake_is_named() {
    let (before, rest) = EXAMPLE.split_once("# [people.oidc]").unwrap();
    let (table, after) = rest.split_once("\n# only = false\n").unwrap();
    let table: String = table
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.contains(" = "))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let before = before.replace("# address = \"https://hub", "address = \"https://hub");
    let with = |table: &str| parse(&format!("{before}[people.oidc]{table}only = false\n{after}"));
    let oidc = |table: &str| with(table).map(|config| config.people.unwrap().oidc.unwrap());
    let all = oidc(&table).unwrap();
    assert_eq!(
        (all.scopes.as_slice(), all.only),
        (&["openid".to_owned()][..], false)
    );
    let bare = "\nissuer = \"https://id.example:8443/a\"\nclient_id = \"hub\"\n";
    let few = oidc(bare).unwrap();
    assert_eq!(few.label, "id.example");
    assert!(few.client_secret_file.is_none() && few.second_factor_amr.is_empty());
    for (from, to, key) in [
        (
            "https://id.example:8443/a",
            "http://id.example",
            "people.oidc.issuer",
        ),
        (
            "https://id.example:8443/a",
            "https://id.example?x",
            "people.oidc.issuer",
        ),
        ("\"hub\"", "\" \"", "people.oidc.client_id"),
        ("\"hub\"\n", "\"hub\"\nscopes = [\"a b\"]\n", "people.oidc.scopes"),
        ("\"hub\"\n", "\"hub\"\nroles = \"groups\"\n", "roles"),
    ] {
        let error = oidc(&bare.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(&format!("key `{key}`")), "{error}");
    }
    let nowhere = before.replace("address = \"https://hub", "# address = \"https://hub");
    let error = parse(&format!("{nowhere}[people.oidc]{bare}{after}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("key `people.address`"), "{error}");
}

#[test]
fn a_broker_is_a_host_and_a_port() {
    let with = |broker: &str| {
        parse(
            &EXAMPLE
                .replace("endpoint = \"embedded\"\nlisten = \"0.0.0.0:8883\"", "")
                .replace("# broker = ", "broker = ")
                .replace("\nlisten = \"0.0.0.0:8883\"", "")
                .replace("\nendpoint = \"embedded\"", "\nendpoint = \"broker\"")
                .replace("broker.region.example:8883", broker),
        )
    };
    let expect = |host: &str| Mqtt::Broker {
        host: host.into(),
        port: 1883,
    };
    assert_eq!(with("b.example:1883").unwrap().mqtt, expect("b.example"));
    assert_eq!(with("[::1]:1883").unwrap().mqtt, expect("::1"));
    for bad in ["b.example", ":1", "b:0", "b:70000"] {
        assert!(with(bad).unwrap_err().to_string().contains("host:port"), "{bad}");
    }
}

#[test]
fn dicomweb_needs_images_and_names_whole_sites() {
    let with = |lines: &str| parse(&EXAMPLE.replace("\n[dicomweb]\n", &format!("\n[dicomweb]\n{lines}\n")));
    let fine =
        with("public_url = \"https://hub.example/\"\nallowed_origins = [\"http://viewer.example:3000\"]");
    assert_eq!(
        fine.unwrap().dicomweb.unwrap().allowed_origins,
        ["http://viewer.example:3000"]
    );
    for (wrong, key) in [
        ("public_url = \"hub.example\"", "dicomweb.public_url"),
        ("public_url = \"https://hub.example/path\"", "dicomweb.public_url"),
        ("allowed_origins = [\"*\"]", "dicomweb.allowed_origins"),
        (
            "allowed_origins = [\"https://*.example\"]",
            "dicomweb.allowed_origins",
        ),
    ] {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    let alone = EXAMPLE
        .replace("\n[images]\nlisten = \"0.0.0.0:8444\"", "")
        .replace("\n[images]", "");
    let images = alone
        .lines()
        .skip_while(|line| !line.starts_with("# Without this table there is no port for images"));
    assert!(images.count() > 0);
    let error = parse(&alone.replace("listen = \"0.0.0.0:8444\"\n", ""))
        .unwrap_err()
        .to_string();
    assert!(error.contains("[images]"), "{error}");
}

#[test]
fn every_error_names_file_line_and_key() {
    let line = |wanted: &str| EXAMPLE.lines().position(|line| line.starts_with(wanted)).unwrap() + 1;
    let check = |text: String, at: usize, key: &str, problem: &str| {
        let error = parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("hub.toml, line {at}, key `{key}`: ")) && error.contains(problem),
            "{error}"
        );
    };
    let page = line("[page]");
    check(
        EXAMPLE.replace("language =", "langauge ="),
        page + 5,
        "langauge",
        "unknown field",
    );
    check(
        EXAMPLE.replace("\"zh\"\n#", "\"fr\"\n#"),
        page + 5,
        "language",
        "zh",
    );
    check(
        EXAMPLE.replace("127.0.0.1:8090", "8090"),
        page + 3,
        "listen",
        "socket address",
    );
    check(
        EXAMPLE.replace("\nlanguage = \"zh\"", ""),
        page,
        "[page]",
        "language",
    );
    check(
        EXAMPLE.replace("\nlisten = \"0.0.0.0:8883\"", ""),
        line("[mqtt]"),
        "mqtt.listen",
        "missing",
    );
    check(
        EXAMPLE.replace("# max_sessions = 4096", "max_sessions = 0"),
        line("# max_sessions"),
        "mqtt.max_sessions",
        "at least 1",
    );
    check(
        EXAMPLE.replace("# utc_offset_minutes = 480", "utc_offset_minutes = 1440"),
        line("# utc_offset"),
        "page.utc_offset_minutes",
        "within a day",
    );
    assert!(matches!(
        Config::load(Path::new("/nowhere/hub.toml")),
        Err(Error::Read { .. })
    ));
}

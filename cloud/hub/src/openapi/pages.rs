use super::address::{
    Address, Field, Kind, NOT_THERE, ONWARD, PAGE, Takes, UNFIT, Who, any, get, json, may, media, must, post,
};
use super::shapes;
use crate::people::Right;

const LANGUAGE: Field = may("lang", Kind::Choice(&["zh", "en"]));

const NO_FIELD: Takes = Takes::Form(&[]);

/// Of a person's account. A box that is not ticked is not sent.
const PROFILE: &[Field] = &[
    may("name", Kind::Text),
    must("display_name", Kind::Text),
    must("title", Kind::Text),
    must("institution", Kind::Text),
    may("role_reader", Kind::Flag),
    may("role_chief", Kind::Flag),
    may("role_operator", Kind::Flag),
    may("role_maintainer", Kind::Flag),
    may("role_auditor", Kind::Flag),
    must("tier", Kind::Choice(&["county", "city", "province"])),
    must("subspecialties", Kind::Text),
    must("language", Kind::Choice(&["zh", "en"])),
    may("active", Kind::Flag),
];

pub(super) const ADDRESSES: &[Address] = &[
    // Results.
    get(
        "/",
        Who::Caller(Right::SeeCases),
        "The newest results; others are led to their own first page",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    get(
        "/list",
        Who::Caller(Right::SeeCases),
        "The part of the results' page that changes",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    get(
        "/api/results",
        Who::Caller(Right::SeeCases),
        "Results, the newest first",
    )
    .asks(&[may("limit", Kind::Number)])
    .gives(&[json(shapes::results)]),
    get(
        "/api/status",
        Who::Caller(Right::SeeStatus),
        "Counts, and the state of each clinic's line",
    )
    .gives(&[json(shapes::status)]),
    get(
        "/quick-look/{clinic}/{case}/{version}",
        Who::Caller(Right::SeeImages),
        "The key image of a case",
    )
    .gives(&[media(200, &["image/jpeg"]), NOT_THERE]),
    get("/events", Who::Known, "Server-sent events: something has changed")
        .gives(&[media(200, &["text/event-stream"]), any(503)]),
    get("/api/openapi.json", Who::Known, "This document").gives(&[json(shapes::document)]),
    // Models.
    get(
        "/models",
        Who::Caller(Right::SeeModels),
        "Runs, models and releases",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    get(
        "/models/list",
        Who::Caller(Right::SeeModels),
        "The part of the models' page that changes",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    get(
        "/models/report",
        Who::Caller(Right::SeeModels),
        "What the gate found of a version",
    )
    .asks(&[must("id", Kind::Text), must("version", Kind::Text)])
    .gives(&[PAGE, NOT_THERE]),
    get("/api/runs", Who::Caller(Right::SeeModels), "Federated runs").gives(&[json(shapes::runs)]),
    get("/api/models", Who::Caller(Right::SeeModels), "Versions of models").gives(&[json(shapes::models)]),
    // Signing in.
    get(
        "/sign-in",
        Who::Anybody,
        "The form of signing in; who has signed in is led on",
    )
    .asks(&[
        may("next", Kind::Text),
        may("done", Kind::Choice(&["true", "false"])),
        LANGUAGE,
    ])
    .gives(&[PAGE, ONWARD]),
    post("/sign-in", Who::Anybody, "Signs in: password and code")
        .takes(Takes::Form(&[
            may("next", Kind::Text),
            must("name", Kind::Text),
            must("password", Kind::Secret),
            must("code", Kind::Secret),
        ]))
        .gives(&[ONWARD, any(429)]),
    get(
        "/sign-in/oidc",
        Who::Anybody,
        "Off to the region's sign-in provider, where there is one",
    )
    .asks(&[may("next", Kind::Text), LANGUAGE])
    .gives(&[ONWARD, any(403), NOT_THERE, any(429), any(503)]),
    get("/sign-in/oidc/return", Who::Anybody, "Back from the provider")
        .asks(&[
            may("code", Kind::Secret),
            may("state", Kind::Secret),
            may("iss", Kind::Text),
            may("error", Kind::Text),
            LANGUAGE,
        ])
        .gives(&[ONWARD, any(403), NOT_THERE, any(429), any(503)]),
    get(
        "/sign-in/oidc/second",
        Who::Anybody,
        "The form for password and code after the provider's word",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE, any(403), NOT_THERE]),
    post(
        "/sign-in/oidc/second",
        Who::Anybody,
        "Password and code after the provider's word",
    )
    .takes(Takes::Form(&[
        must("password", Kind::Secret),
        must("code", Kind::Secret),
    ]))
    .gives(&[ONWARD, any(403), NOT_THERE, any(429)]),
    get(
        "/sign-in/oidc/sign-out",
        Who::Anybody,
        "Off to the provider's own page for signing out",
    )
    .gives(&[ONWARD]),
    post(
        "/sign-in/oidc/signed-out",
        Who::Anybody,
        "The provider tells that somebody signed out there",
    )
    .takes(Takes::OpenForm(&[must("logout_token", Kind::Secret)]))
    .gives(&[any(200), any(400), NOT_THERE, any(415), UNFIT, any(429), any(503)]),
    post("/sign-out", Who::KnownPerson, "Ends this session")
        .takes(NO_FIELD)
        .gives(&[ONWARD]),
    post(
        "/sign-out/everywhere",
        Who::KnownPerson,
        "Ends all sessions of this person",
    )
    .takes(NO_FIELD)
    .gives(&[ONWARD]),
    get(
        "/set-up",
        Who::Anybody,
        "The form that sets an account up, to its one-time code",
    )
    .asks(&[may("code", Kind::Secret), LANGUAGE])
    .gives(&[PAGE, any(429)]),
    post("/set-up", Who::Anybody, "Sets an account up")
        .takes(Takes::Form(&[
            must("set_up_code", Kind::Secret),
            must("password", Kind::Secret),
            must("repeated", Kind::Secret),
            must("secret", Kind::Secret),
            must("code", Kind::Secret),
        ]))
        .gives(&[ONWARD, any(429)]),
    // One's own account.
    get("/account", Who::KnownPerson, "One's own account and sessions")
        .asks(&[may("done", Kind::Choice(&["true", "false"])), LANGUAGE])
        .gives(&[PAGE]),
    post("/account/password", Who::KnownPerson, "Another password")
        .takes(Takes::Form(&[
            must("old", Kind::Secret),
            must("code", Kind::Secret),
            must("password", Kind::Secret),
            must("repeated", Kind::Secret),
        ]))
        .gives(&[ONWARD]),
    get(
        "/account/authenticator",
        Who::KnownPerson,
        "The form for another authenticator",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    post(
        "/account/authenticator",
        Who::KnownPerson,
        "Another authenticator",
    )
    .takes(Takes::Form(&[
        must("password", Kind::Secret),
        must("code", Kind::Secret),
        must("secret", Kind::Secret),
        must("new_code", Kind::Secret),
    ]))
    .gives(&[ONWARD]),
    // Everybody's accounts.
    get(
        "/people",
        Who::Person(Right::KeepPeople),
        "Everybody with an account",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    get(
        "/people/new",
        Who::Person(Right::KeepPeople),
        "The form for a new account",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE]),
    post(
        "/people/new",
        Who::Person(Right::KeepPeople),
        "A new account; answers with its one-time code",
    )
    .takes(Takes::Form(PROFILE))
    .gives(&[PAGE]),
    get("/people/{person}", Who::Person(Right::KeepPeople), "An account")
        .asks(&[LANGUAGE])
        .gives(&[PAGE, NOT_THERE]),
    post(
        "/people/{person}",
        Who::Person(Right::KeepPeople),
        "Changes an account",
    )
    .takes(Takes::Form(PROFILE))
    .gives(&[ONWARD, NOT_THERE]),
    post(
        "/people/{person}/reset",
        Who::Person(Right::KeepPeople),
        "A new one-time code",
    )
    .takes(NO_FIELD)
    .gives(&[PAGE, NOT_THERE]),
    get(
        "/people/{person}/link",
        Who::Person(Right::KeepPeople),
        "Which account at the sign-in provider is this person's",
    )
    .asks(&[LANGUAGE])
    .gives(&[PAGE, NOT_THERE]),
    post(
        "/people/{person}/link",
        Who::Person(Right::KeepPeople),
        "Links an account at the sign-in provider",
    )
    .takes(Takes::Form(&[must("subject", Kind::Text)]))
    .gives(&[ONWARD, NOT_THERE, UNFIT]),
    post(
        "/people/{person}/unlink",
        Who::Person(Right::KeepPeople),
        "Takes the link back",
    )
    .takes(NO_FIELD)
    .gives(&[ONWARD, NOT_THERE]),
    // The audit log.
    get("/audit", Who::Person(Right::ReadAudit), "The audit log")
        .asks(&[
            may("actor", Kind::Text),
            may("action", Kind::Text),
            may("case", Kind::Text),
            may("before", Kind::Text),
            LANGUAGE,
        ])
        .gives(&[PAGE]),
    get(
        "/audit/export",
        Who::Person(Right::ReadAudit),
        "The audit log as it is checked offline",
    )
    .gives(&[media(200, &["application/jsonl; charset=utf-8"])]),
    get(
        "/audit/export/dicom",
        Who::Person(Right::ReadAudit),
        "The audit log as DICOM audit messages",
    )
    .gives(&[media(200, &["application/xml; charset=utf-8"])]),
    // What pages are made of.
    get("/assets/page.css", Who::Anybody, "Style").gives(&[media(200, CSS)]),
    get("/assets/models.css", Who::Anybody, "Style").gives(&[media(200, CSS)]),
    get("/assets/room.css", Who::Anybody, "Style").gives(&[media(200, CSS)]),
    get("/assets/people.css", Who::Anybody, "Style").gives(&[media(200, CSS)]),
    get("/assets/page.js", Who::Anybody, "Script").gives(&[media(200, SCRIPT)]),
    get("/assets/room.js", Who::Anybody, "Script").gives(&[media(200, SCRIPT)]),
    get("/assets/icon.svg", Who::Anybody, "Picture").gives(&[media(200, &["image/svg+xml"])]),
    get("/viewer/{name}", Who::Anybody, "A file of the image viewer").gives(&[any(200), NOT_THERE]),
    get("/verify", Who::Anybody, "The form that checks a report")
        .asks(&[LANGUAGE])
        .gives(&[PAGE]),
    post(
        "/verify",
        Who::Anybody,
        "Whether a report is signed by whom it names",
    )
    .takes(Takes::OpenForm(&[may("report", Kind::Text)]))
    .gives(&[PAGE, UNFIT]),
];

const CSS: &[&str] = &["text/css; charset=utf-8"];
const SCRIPT: &[&str] = &["text/javascript; charset=utf-8"];

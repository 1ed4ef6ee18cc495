use super::address::{
    Address, Field, Kind, NOT_NOW, NOT_THERE, ONWARD, PAGE, Takes, UNFIT, Who, any, get, json, may, media,
    must, post,
};
use super::shapes;
use crate::people::Right;

const NO_FIELD: Takes = Takes::Form(&[]);

const LIST: &[Field] = &[
    may("scope", Kind::Text),
    may("modality", Kind::Text),
    may("clinic", Kind::Text),
    may("urgency", Kind::Text),
    may("tier", Kind::Text),
    may("page", Kind::Number),
];

/// Beside these there is one field `finding-<code>` (`present`, `absent`, `possible`) and one `side-<code>` (`left`, `right`,
/// `both`) for each finding that is spoken of.
const REPORT: &[Field] = &[
    may("description", Kind::Text),
    may("impression", Kind::Text),
    may("advice", Kind::Text),
    may("marks", Kind::Text),
    may("revision", Kind::Number),
    may("by", Kind::Choice(&["script"])),
];

const SIGNATURE: &[Field] = &[
    may("description", Kind::Text),
    may("impression", Kind::Text),
    may("advice", Kind::Text),
    may("marks", Kind::Text),
    may("revision", Kind::Number),
    may("password", Kind::Secret),
    may("code", Kind::Secret),
];

const WORKS: Who = Who::Person(Right::WorkOnCases);
const SEES: Who = Who::Person(Right::SeeCases);
const LOOKS: Who = Who::Person(Right::SeeImages);
const SIGNS: Who = Who::Person(Right::SignReports);
const ROSTER: Who = Who::Person(Right::KeepRoster);

pub(super) const ADDRESSES: &[Address] = &[
    get("/worklist", SEES, "The list of cases")
        .asks(LIST)
        .gives(&[PAGE]),
    get("/worklist/list", SEES, "The part of the list that changes")
        .asks(LIST)
        .gives(&[PAGE]),
    post(
        "/worklist/hide-ai",
        SEES,
        "Whether one looks before the model's answer is shown",
    )
    .takes(Takes::Form(&[may("on", Kind::Choice(&["yes", "no"]))]))
    .gives(&[ONWARD]),
    get("/cases/{clinic}/{case}", SEES, "A case").gives(&[PAGE, NOT_THERE]),
    post("/cases/{clinic}/{case}/claim", WORKS, "Takes the case")
        .takes(NO_FIELD)
        .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post("/cases/{clinic}/{case}/release", WORKS, "Gives the case back")
        .takes(NO_FIELD)
        .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post("/cases/{clinic}/{case}/renew", WORKS, "The reader is still there")
        .takes(NO_FIELD)
        .gives(&[any(204), NOT_THERE, NOT_NOW]),
    post(
        "/cases/{clinic}/{case}/refer",
        WORKS,
        "Refers the case upward, or to somebody",
    )
    .takes(Takes::Form(&[may("why", Kind::Text), may("to", Kind::Text)]))
    .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post("/cases/{clinic}/{case}/second", WORKS, "Wants a second reader")
        .takes(NO_FIELD)
        .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post(
        "/cases/{clinic}/{case}/withdraw",
        Who::Person(Right::WithdrawCases),
        "Takes the case off the list",
    )
    .takes(Takes::Form(&[may("why", Kind::Text)]))
    .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post(
        "/cases/{clinic}/{case}/teaching",
        Who::Person(Right::KeepTeaching),
        "Marks the case for teaching",
    )
    .takes(Takes::Form(&[may("on", Kind::Choice(&["yes", "no"]))]))
    .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post("/cases/{clinic}/{case}/reveal", SEES, "Shows what the model said")
        .takes(NO_FIELD)
        .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post("/cases/{clinic}/{case}/message", WORKS, "Writes to the clinic")
        .takes(Takes::Form(&[
            may("text", Kind::Text),
            may("want_images", Kind::Text),
        ]))
        .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post(
        "/cases/{clinic}/{case}/draft",
        SIGNS,
        "Keeps what is written so far",
    )
    .takes(Takes::Form(REPORT))
    .gives(&[json(shapes::revision), ONWARD, NOT_THERE, NOT_NOW]),
    post("/cases/{clinic}/{case}/sign", SIGNS, "Signs the report")
        .takes(Takes::Form(SIGNATURE))
        .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    post(
        "/cases/{clinic}/{case}/addendum",
        SIGNS,
        "Signs what is added to a report",
    )
    .takes(Takes::Form(SIGNATURE))
    .gives(&[ONWARD, NOT_THERE, NOT_NOW]),
    get(
        "/cases/{clinic}/{case}/viewer.json",
        LOOKS,
        "What the viewer is to show",
    )
    .gives(&[json(shapes::viewer), NOT_THERE]),
    get(
        "/cases/{clinic}/{case}/instances/{uid}",
        LOOKS,
        "An image as it is kept",
    )
    .gives(&[media(200, &["application/dicom"]), NOT_THERE]),
    get(
        "/cases/{clinic}/{case}/drawn/{uid}",
        LOOKS,
        "An image drawn by the hub",
    )
    .asks(&[
        may("frame", Kind::Number),
        may("centre", Kind::Text),
        may("width", Kind::Text),
    ])
    .gives(&[media(200, &["image/jpeg"]), NOT_THERE, UNFIT]),
    get(
        "/cases/{clinic}/{case}/quick/{place}",
        LOOKS,
        "A small picture of the case",
    )
    .gives(&[media(200, &["image/jpeg"]), NOT_THERE]),
    get(
        "/cases/{clinic}/{case}/heat/{place}",
        LOOKS,
        "Where the model looked",
    )
    .gives(&[media(200, &["image/png"]), NOT_THERE]),
    get("/reports/{report}", SEES, "A report with its addenda").gives(&[PAGE, NOT_THERE]),
    get(
        "/reports/{report}/file",
        SEES,
        "A report as a file; 503 where the hub has no fonts to print with",
    )
    .asks(&[may(
        "form",
        Kind::Choice(&["pdf", "sr", "encapsulated", "fhir", "signed"]),
    )])
    .gives(&[
        media(
            200,
            &[
                "application/pdf",
                "application/dicom",
                "application/fhir+json",
                "application/octet-stream",
            ],
        ),
        NOT_THERE,
        any(503),
    ]),
    get("/roster", ROSTER, "Who is on duty").gives(&[PAGE]),
    post("/roster/shift", ROSTER, "A shift")
        .takes(Takes::Form(&[
            must("person", Kind::Text),
            must("day", Kind::Number),
            must("from", Kind::Time),
            must("to", Kind::Time),
        ]))
        .gives(&[ONWARD]),
    post("/roster/absence", ROSTER, "An absence")
        .takes(Takes::Form(&[
            must("person", Kind::Text),
            must("from", Kind::Moment),
            must("to", Kind::Moment),
        ]))
        .gives(&[ONWARD]),
    post("/roster/remove", ROSTER, "Takes a shift or an absence back")
        .takes(Takes::Form(&[must("id", Kind::Text)]))
        .gives(&[ONWARD]),
    post("/roster/group", ROSTER, "A group of readers")
        .takes(Takes::Form(&[
            must("name", Kind::Text),
            must("tier", Kind::Choice(&["county", "city", "province"])),
            may("members", Kind::Text),
            may("clinics", Kind::Text),
        ]))
        .gives(&[ONWARD]),
    post("/roster/group/remove", ROSTER, "Removes a group")
        .takes(Takes::Form(&[must("id", Kind::Text)]))
        .gives(&[ONWARD]),
    get("/dashboard", SEES, "Figures").gives(&[PAGE]),
];

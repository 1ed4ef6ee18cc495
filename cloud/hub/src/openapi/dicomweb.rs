use super::address::{
    Address, Field, Gives, Kind, NOT_NOW, NOT_THERE, Takes, Who, any, delete, dicom_json, get, json, may,
    media, options, post, put,
};
use super::shapes;
use crate::people::Right;

const SEES: Who = Who::Caller(Right::SeeImages);
const STORES: Who = Who::Program(Right::StoreImages);
const SEES_WORK: Who = Who::Caller(Right::SeeCases);
const FOLLOWS: Who = Who::Program(Right::SeeCases);
const WORKS: Who = Who::Program(Right::WorkOnCases);

const ACCEPT: Field = may("accept", Kind::Text);

/// Beside these any attribute by keyword or tag.
const SEARCH: &[Field] = &[
    may("limit", Kind::Number),
    may("offset", Kind::Number),
    may("includefield", Kind::Text),
    may("fuzzymatching", Kind::Choice(&["true", "false"])),
    may("PatientID", Kind::Text),
    may("StudyDate", Kind::Text),
    may("ModalitiesInStudy", Kind::Text),
    ACCEPT,
];

const WORK: &[Field] = &[
    may("limit", Kind::Number),
    may("offset", Kind::Number),
    may("includefield", Kind::Text),
    may("ProcedureStepState", Kind::Text),
    may("PatientID", Kind::Text),
    ACCEPT,
];

const PICTURE: &[Field] = &[
    may("quality", Kind::Number),
    may("viewport", Kind::Text),
    may("window", Kind::Text),
    ACCEPT,
];

const NOT_ACCEPTED: Gives = any(406);
const BUSY: Gives = any(503);

/// Of a search: nothing found is no content.
const FOUND: &[Gives] = &[dicom_json(200), any(204), NOT_ACCEPTED, BUSY];
const OBJECTS: &[Gives] = &[
    media(200, &["application/dicom", "multipart/related"]),
    media(206, &["application/dicom"]),
    any(304),
    NOT_THERE,
    NOT_ACCEPTED,
    any(416),
    BUSY,
];
const ATTRIBUTES: &[Gives] = &[dicom_json(200), NOT_THERE, NOT_ACCEPTED, BUSY];
/// Frames and bulk data come in whatever form they are stored in.
const BYTES: &[Gives] = &[any(200), any(206), NOT_THERE, NOT_ACCEPTED, any(416), BUSY];
const DRAWN: &[Gives] = &[
    media(200, &["image/jpeg", "image/png"]),
    NOT_THERE,
    NOT_ACCEPTED,
    BUSY,
];
const STORED: &[Gives] = &[
    dicom_json(200),
    dicom_json(202),
    NOT_ACCEPTED,
    dicom_json(409),
    BUSY,
];

pub(super) const ADDRESSES: &[Address] = &[
    get("/dicom-web", SEES, "What is served here").gives(&[json(shapes::anything)]),
    options("/dicom-web", SEES, "What is served here").gives(&[json(shapes::anything)]),
    get("/dicom-web/capabilities", SEES, "What is served here").gives(&[json(shapes::anything)]),
    get("/dicom-web/studies", SEES, "Search for studies (QIDO-RS)")
        .asks(SEARCH)
        .gives(FOUND),
    get("/dicom-web/series", SEES, "Search for series")
        .asks(SEARCH)
        .gives(FOUND),
    get("/dicom-web/instances", SEES, "Search for instances")
        .asks(SEARCH)
        .gives(FOUND),
    get(
        "/dicom-web/studies/{study}/series",
        SEES,
        "Search for series of a study",
    )
    .asks(SEARCH)
    .gives(FOUND),
    get(
        "/dicom-web/studies/{study}/instances",
        SEES,
        "Search for instances of a study",
    )
    .asks(SEARCH)
    .gives(FOUND),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances",
        SEES,
        "Search for instances of a series",
    )
    .asks(SEARCH)
    .gives(FOUND),
    get("/dicom-web/studies/{study}", SEES, "A study's objects (WADO-RS)")
        .asks(&[ACCEPT])
        .gives(OBJECTS),
    get(
        "/dicom-web/studies/{study}/series/{series}",
        SEES,
        "A series' objects",
    )
    .asks(&[ACCEPT])
    .gives(OBJECTS),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}",
        SEES,
        "An object",
    )
    .asks(&[ACCEPT])
    .gives(OBJECTS),
    get(
        "/dicom-web/instances/{instance}",
        SEES,
        "An object by its own name",
    )
    .asks(&[ACCEPT])
    .gives(OBJECTS),
    get(
        "/dicom-web/studies/{study}/metadata",
        SEES,
        "Attributes of a study's objects",
    )
    .asks(&[ACCEPT])
    .gives(ATTRIBUTES),
    get(
        "/dicom-web/studies/{study}/series/{series}/metadata",
        SEES,
        "Attributes of a series' objects",
    )
    .asks(&[ACCEPT])
    .gives(ATTRIBUTES),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/metadata",
        SEES,
        "Attributes of an object",
    )
    .asks(&[ACCEPT])
    .gives(ATTRIBUTES),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{list}",
        SEES,
        "Frames, by numbers with commas",
    )
    .asks(&[ACCEPT])
    .gives(BYTES),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{list}/rendered",
        SEES,
        "A frame drawn",
    )
    .asks(PICTURE)
    .gives(DRAWN),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{list}/thumbnail",
        SEES,
        "A frame drawn small",
    )
    .asks(PICTURE)
    .gives(DRAWN),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/bulkdata/{*element}",
        SEES,
        "A large value",
    )
    .asks(&[ACCEPT])
    .gives(BYTES),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/rendered",
        SEES,
        "An object drawn",
    )
    .asks(PICTURE)
    .gives(DRAWN),
    get(
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/thumbnail",
        SEES,
        "An object drawn small",
    )
    .asks(PICTURE)
    .gives(DRAWN),
    get(
        "/dicom-web/studies/{study}/series/{series}/thumbnail",
        SEES,
        "A series drawn small",
    )
    .asks(PICTURE)
    .gives(DRAWN),
    get(
        "/dicom-web/studies/{study}/thumbnail",
        SEES,
        "A study drawn small",
    )
    .asks(PICTURE)
    .gives(DRAWN),
    post("/dicom-web/studies", STORES, "Stores objects (STOW-RS)")
        .takes(Takes::Objects)
        .gives(STORED),
    post("/dicom-web/studies/{study}", STORES, "Stores objects of a study")
        .takes(Takes::Objects)
        .gives(STORED),
    // Workitems (UPS-RS).
    get("/dicom-web/workitems", SEES_WORK, "Search for workitems")
        .asks(WORK)
        .gives(&[dicom_json(200), any(204), dicom_json(206), NOT_ACCEPTED, BUSY]),
    get("/dicom-web/workitems/{workitem}", SEES_WORK, "A workitem")
        .asks(&[ACCEPT])
        .gives(&[dicom_json(200), NOT_THERE, NOT_ACCEPTED, any(410), BUSY]),
    post("/dicom-web/workitems", WORKS, "Makes a workitem")
        .asks(&[may("workitem", Kind::Text)])
        .takes(Takes::DicomJson)
        .gives(&[any(201), NOT_NOW, BUSY]),
    post("/dicom-web/workitems/{workitem}", WORKS, "Changes a workitem")
        .asks(&[may("transaction-uid", Kind::Text)])
        .takes(Takes::DicomJson)
        .gives(&[any(200), NOT_THERE, NOT_NOW, any(410), BUSY]),
    put(
        "/dicom-web/workitems/{workitem}/state",
        WORKS,
        "Claims or ends a workitem",
    )
    .takes(Takes::DicomJson)
    .gives(&[any(200), NOT_THERE, NOT_NOW, any(410), BUSY]),
    post(
        "/dicom-web/workitems/{workitem}/cancelrequest",
        WORKS,
        "Asks for its end",
    )
    .takes(Takes::DicomJson)
    .gives(&[any(202), NOT_THERE, NOT_NOW, any(410), BUSY]),
    post(
        "/dicom-web/workitems/{workitem}/subscribers/{aetitle}",
        FOLLOWS,
        "Follows a workitem, or all of them",
    )
    .asks(&[
        may("deletionlock", Kind::Choice(&["true", "false"])),
        may("filter", Kind::Text),
    ])
    .gives(&[any(201), NOT_THERE, NOT_NOW, any(410), BUSY]),
    delete(
        "/dicom-web/workitems/{workitem}/subscribers/{aetitle}",
        FOLLOWS,
        "Follows no more",
    )
    .gives(&[any(200), NOT_THERE, BUSY]),
    post(
        "/dicom-web/workitems/{workitem}/subscribers/{aetitle}/suspend",
        FOLLOWS,
        "Hears of no new workitems",
    )
    .gives(&[any(200), NOT_THERE, BUSY]),
    get(
        "/dicom-web/ws/subscribers/{aetitle}",
        FOLLOWS,
        "A WebSocket over which a subscriber hears of workitems",
    )
    .gives(&[any(101), NOT_THERE, any(426), BUSY]),
];

//! A message as XML, in the order of the standard's schema (PS3.15 annex A.5.1).

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::codes::Code;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) event: Code,
    /// Code, scheme, meaning.
    pub(super) kinds: Vec<(String, &'static str, String)>,
    pub(super) action: &'static str,
    /// As `xsd:dateTime`.
    pub(super) at: String,
    pub(super) outcome: &'static str,
    /// What went wrong, for people.
    pub(super) description: Option<String>,
    pub(super) participants: Vec<Participant>,
    pub(super) site: Option<String>,
    pub(super) source: String,
    /// Of RFC 3881: what kind of system tells it.
    pub(super) source_kind: &'static str,
    pub(super) objects: Vec<Object>,
}

/// Who took part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Participant {
    pub(super) user: String,
    pub(super) alternative: Option<String>,
    pub(super) name: Option<String>,
    pub(super) is_requestor: bool,
    pub(super) roles: Vec<Code>,
    pub(super) media: Option<Code>,
    /// Where it sits, and whether that is a machine's name (`1`), an address (`2`) or a URI (`5`).
    pub(super) place: Option<(String, &'static str)>,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) id: String,
    pub(super) id_kind: Code,
    pub(super) content: Content,
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) details: Vec<(&'static str, String)>,
    /// Of a study: how many instances, and whether they have no identity.
    pub(super) instances: Option<u64>,
    pub(super) is_anonymous: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Name(String),
    Query(String),
}

type Made = io::Result<()>;
type To<'a> = &'a mut Writer<Vec<u8>>;

/// Nothing of the message can break out of it: every value is escaped, and what XML cannot say becomes a space.
pub(super) fn write(message: &Message) -> String {
    let mut to = Writer::new(Vec::new());
    // A vector takes everything.
    let _ = whole(message, &mut to);
    String::from_utf8(to.into_inner()).unwrap_or_default()
}

fn whole(message: &Message, to: To<'_>) -> Made {
    to.create_element("AuditMessage").write_inner_content(|to| {
        event(message, to)?;
        for participant in &message.participants {
            self::participant(participant, to)?;
        }
        let mut source = vec![("AuditSourceID", clean(&message.source))];
        if let Some(site) = &message.site {
            source.insert(0, ("AuditEnterpriseSiteID", clean(site)));
        }
        to.create_element("AuditSourceIdentification")
            .with_attributes(borrowed(&source))
            .write_inner_content(|to| {
                to.create_element("AuditSourceTypeCode")
                    .with_attribute(("csd-code", message.source_kind))
                    .write_empty()
                    .map(drop)
            })?;
        for object in &message.objects {
            self::object(object, to)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn event(message: &Message, to: To<'_>) -> Made {
    to.create_element("EventIdentification")
        .with_attributes([
            ("EventActionCode", message.action),
            ("EventDateTime", message.at.as_str()),
            ("EventOutcomeIndicator", message.outcome),
        ])
        .write_inner_content(|to| {
            coded("EventID", message.event, to)?;
            for (code, system, text) in &message.kinds {
                code_of("EventTypeCode", (code, system, text), to)?;
            }
            match &message.description {
                Some(description) => text("EventOutcomeDescription", description, to),
                None => Ok(()),
            }
        })
        .map(drop)
}

fn participant(who: &Participant, to: To<'_>) -> Made {
    let mut attributes = vec![("UserID", clean(&who.user))];
    if let Some(alternative) = &who.alternative {
        attributes.push(("AlternativeUserID", clean(alternative)));
    }
    if let Some(name) = &who.name {
        attributes.push(("UserName", clean(name)));
    }
    attributes.push(("UserIsRequestor", who.is_requestor.to_string()));
    if let Some((place, kind)) = &who.place {
        attributes.push(("NetworkAccessPointID", clean(place)));
        attributes.push(("NetworkAccessPointTypeCode", (*kind).to_owned()));
    }
    to.create_element("ActiveParticipant")
        .with_attributes(borrowed(&attributes))
        .write_inner_content(|to| {
            for role in &who.roles {
                coded("RoleIDCode", *role, to)?;
            }
            match who.media {
                None => Ok(()),
                Some(media) => to
                    .create_element("MediaIdentifier")
                    .write_inner_content(|to| coded("MediaType", media, to))
                    .map(drop),
            }
        })
        .map(drop)
}

fn object(object: &Object, to: To<'_>) -> Made {
    to.create_element("ParticipantObjectIdentification")
        .with_attributes(borrowed(&[
            ("ParticipantObjectID", clean(&object.id)),
            ("ParticipantObjectTypeCode", object.kind.to_owned()),
            ("ParticipantObjectTypeCodeRole", object.role.to_owned()),
        ]))
        .write_inner_content(|to| {
            coded("ParticipantObjectIDTypeCode", object.id_kind, to)?;
            match &object.content {
                Content::Name(name) => text("ParticipantObjectName", name, to)?,
                Content::Query(query) => text("ParticipantObjectQuery", &base64(query), to)?,
            }
            for (kind, value) in &object.details {
                to.create_element("ParticipantObjectDetail")
                    .with_attributes([("type", *kind), ("value", base64(value).as_str())])
                    .write_empty()?;
            }
            if object.instances.is_some() || object.is_anonymous {
                to.create_element("ParticipantObjectDescription")
                    .write_inner_content(|to| {
                        if let Some(instances) = object.instances {
                            to.create_element("SOPClass")
                                .with_attribute(("NumberOfInstances", instances.to_string().as_str()))
                                .write_empty()?;
                        }
                        text("Anonymized", &object.is_anonymous.to_string(), to)
                    })?;
            }
            Ok(())
        })
        .map(drop)
}

fn coded(element: &str, code: Code, to: To<'_>) -> Made {
    code_of(element, (code.code, code.system, code.text), to)
}

fn code_of(element: &str, (code, system, meaning): (&str, &str, &str), to: To<'_>) -> Made {
    let (code, meaning) = (clean(code), clean(meaning));
    to.create_element(element)
        .with_attributes([
            ("csd-code", code.as_str()),
            ("codeSystemName", system),
            ("originalText", meaning.as_str()),
        ])
        .write_empty()
        .map(drop)
}

fn text(element: &str, said: &str, to: To<'_>) -> Made {
    to.create_element(element)
        .write_text_content(BytesText::new(&clean(said)))
        .map(drop)
}

fn borrowed<'a>(attributes: &'a [(&'a str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    attributes.iter().map(|(name, value)| (*name, value.as_str()))
}

fn base64(value: &str) -> String {
    data_encoding::BASE64.encode(value.as_bytes())
}

fn clean(text: &str) -> String {
    let sayable = |c: char| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}');
    text.chars().map(|c| if sayable(c) { c } else { ' ' }).collect()
}

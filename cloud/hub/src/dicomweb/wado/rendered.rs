use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use barefoot_imaging::pixels::{self, Window};
use barefoot_imaging::render::{self, Area, Format, Shown};
use barefoot_imaging::video::is_video;
use tokio::task::spawn_blocking;

use super::find::{Opened, Target, bad, find, one, open};
use super::frames::numbers;
use crate::dicomweb::accept::Accept;
use crate::dicomweb::access::{Act, Caller};
use crate::dicomweb::{Dicomweb, Parameters, answer, parameter};

const JPEG: &str = "image/jpeg";
const PNG: &str = "image/png";

/// The longer side of a small picture.
const THUMBNAIL: u32 = 256;

type Names = (String, String, String);

pub(in crate::dicomweb) async fn instance_rendered(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path(names): Path<Names>,
    Query(asked): Query<Parameters>,
) -> Response {
    let given = async {
        let wish = Wish::of(&headers, &asked)?;
        let opened = one(&hub, &caller, names, Act::View).await?;
        draw(&hub, opened, 0, wish).await
    };
    given.await.unwrap_or_else(|response| *response)
}

pub(in crate::dicomweb) async fn frame_rendered(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path((study, series, instance, frame)): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let given = async {
        let wish = Wish::of(&headers, &asked)?;
        one_frame(&hub, &caller, (study, series, instance), &frame, wish).await
    };
    given.await.unwrap_or_else(|response| *response)
}

pub(in crate::dicomweb) async fn frame_thumbnail(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path((study, series, instance, frame)): Path<(String, String, String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    let given = async {
        let wish = Wish::of(&headers, &asked)?.small();
        one_frame(&hub, &caller, (study, series, instance), &frame, wish).await
    };
    given.await.unwrap_or_else(|response| *response)
}

/// Of several images, and of several frames, the middle one: the most likely to show something.
pub(in crate::dicomweb) async fn thumbnail(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    Path(target): Path<Target>,
    Query(asked): Query<Parameters>,
) -> Response {
    let given = async {
        let wish = Wish::of(&headers, &asked)?.small();
        let mut found = find(&hub, &caller, &target, Act::View).await?;
        let opened = open(&hub, found.swap_remove(found.len() / 2)).await?;
        let middle = opened.header.frames() / 2;
        draw(&hub, opened, middle, wish).await
    };
    given.await.unwrap_or_else(|response| *response)
}

async fn one_frame(
    hub: &Dicomweb,
    caller: &Caller,
    names: Names,
    frame: &str,
    wish: Wish,
) -> Result<Response, Box<Response>> {
    let [number] = *numbers(frame)?.as_slice() else {
        return Err(bad("one frame is drawn at a time"));
    };
    let opened = one(hub, caller, names, Act::View).await?;
    draw(hub, opened, number, wish).await
}

async fn draw(hub: &Dicomweb, opened: Opened, number: u32, wish: Wish) -> Result<Response, Box<Response>> {
    if opened.header.frames() <= number {
        return Err(Box::new(answer::not_found()));
    }
    if is_video(opened.header.transfer_syntax()) {
        return Err(Box::new(answer::not_acceptable(
            "films are not decoded here; retrieve it as it is stored",
        )));
    }
    let place = hub.decoding.acquire().await;
    let _place = place.map_err(|error| Box::new(answer::failed("draw", &error)))?;
    let (kept, header, mut shown) = (opened.kept.clone(), Arc::clone(&opened.header), wish.shown);
    let drawn = spawn_blocking(move || {
        let picture = pixels::load_picture(&kept, &header, number, wish.window).map_err(Fault::Pixels)?;
        if let (Some(area), Some(columns), Some(rows)) = (shown.area, header.columns(), header.rows()) {
            let area = area.on(&picture, (columns.into(), rows.into()));
            shown.area = Some(area.map_err(Fault::Show)?);
        }
        render::show(&picture, &shown).map_err(Fault::Show)
    });
    match drawn.await {
        Ok(Ok(bytes)) => Ok(([(header::CONTENT_TYPE, wish.media)], bytes).into_response()),
        Ok(Err(Fault::Show(render::Error::Size))) => Err(bad(
            "the viewport is not within the picture, or larger than is drawn",
        )),
        Ok(Err(Fault::Show(error))) => Err(Box::new(answer::failed("draw", &error))),
        Ok(Err(Fault::Pixels(error))) => {
            tracing::warn!(clinic = %opened.located.clinic, object = %opened.located.object, %error, "A picture could not be drawn.");
            Err(Box::new(answer::not_acceptable(
                "this picture cannot be decoded here; retrieve it as it is stored",
            )))
        }
        Err(error) => Err(Box::new(answer::failed("draw", &error))),
    }
}

enum Fault {
    Pixels(pixels::Error),
    Show(render::Error),
}

/// How a picture is wanted (PS3.18 section 8.3.5).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wish {
    media: &'static str,
    shown: Shown,
    window: Option<Window>,
}

impl Wish {
    fn of(headers: &HeaderMap, asked: &Parameters) -> Result<Self, Box<Response>> {
        let accept = Accept::of(headers, parameter(asked, "accept"));
        let media = match accept.choose(&[JPEG, PNG]) {
            Some(PNG) => PNG,
            Some(_) => JPEG,
            None => {
                return Err(Box::new(answer::not_acceptable(
                    "pictures are drawn as image/jpeg or image/png",
                )));
            }
        };
        Self::parse(media, asked).map_err(bad)
    }

    fn parse(media: &'static str, asked: &Parameters) -> Result<Self, &'static str> {
        let mut shown = Shown::default();
        if let Some(text) = parameter(asked, "quality") {
            let quality = text.parse().ok().filter(|quality| (1..=100).contains(quality));
            shown.format = Format::Jpeg(quality.ok_or("quality is a number from 1 to 100")?);
        }
        if media == PNG {
            shown.format = Format::Png;
        }
        if let Some(text) = parameter(asked, "viewport") {
            (shown.fit, shown.area) = viewport(text)
                .ok_or("viewport is width,height or width,height,x,y,width,height, in whole pixels from 1")?;
        }
        let window = match parameter(asked, "window") {
            Some(text) => Some(window(text).ok_or(
                "window is centre,width,function with a width above nought and linear, linear-exact or sigmoid",
            )?),
            None => None,
        };
        Ok(Self { media, shown, window })
    }

    fn small(mut self) -> Self {
        self.shown.fit.get_or_insert((THUMBNAIL, THUMBNAIL));
        self
    }
}

type Viewport = (Option<(u32, u32)>, Option<Area>);

/// Turned pictures (negative sizes) are not drawn.
fn viewport(text: &str) -> Option<Viewport> {
    let numbers: Vec<Option<u32>> = text
        .split(',')
        .map(|number| match number.trim() {
            "" => Some(None),
            number => number.parse().ok().map(Some),
        })
        .collect::<Option<_>>()?;
    match *numbers.as_slice() {
        [Some(width), Some(height)] => Some((Some((width, height)), None)),
        [
            Some(width),
            Some(height),
            left,
            top,
            Some(of_width),
            Some(of_height),
        ] => {
            let area = Area {
                left: left.unwrap_or(0),
                top: top.unwrap_or(0),
                width: of_width,
                height: of_height,
            };
            Some((Some((width, height)), Some(area)))
        }
        _ => None,
    }
}

fn window(text: &str) -> Option<Window> {
    let mut pieces = text.split(',').map(str::trim);
    let mut number = || {
        pieces
            .next()?
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
    };
    let (centre, width) = (number()?, number()?);
    let function = pieces.next().unwrap_or("linear").to_ascii_lowercase();
    if width <= 0.0 || pieces.next().is_some() {
        return None;
    }
    match function.as_str() {
        "linear" => Some(Window::Linear { centre, width }),
        "linear-exact" => Some(Window::LinearExact { centre, width }),
        "sigmoid" => Some(Window::Sigmoid { centre, width }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_nonsense_refused() {
        let of = |pairs: &[(&str, &str)]| {
            let asked: Parameters = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            Wish::parse(JPEG, &asked)
        };
        let wish = of(&[
            ("quality", "60"),
            ("viewport", "200,100,,5,50,25"),
            ("window", "40,400,SIGMOID"),
        ])
        .unwrap();
        assert_eq!(wish.shown.format, Format::Jpeg(60));
        assert_eq!(wish.shown.fit, Some((200, 100)));
        let area = wish.shown.area.unwrap();
        assert_eq!((area.left, area.top, area.width, area.height), (0, 5, 50, 25));
        let sigmoid = Window::Sigmoid {
            centre: 40.0,
            width: 400.0,
        };
        assert_eq!(wish.window, Some(sigmoid));
        assert_eq!(of(&[]).unwrap().small().shown.fit, Some((THUMBNAIL, THUMBNAIL)));
        for (name, value) in [
            ("quality", "0"),
            ("quality", "101"),
            ("viewport", "200"),
            ("viewport", "200,100,1"),
            ("viewport", "-5,5"),
            ("window", "40"),
            ("window", "40,0,linear"),
            ("window", "40,NaN,linear"),
            ("window", "40,400,cubic"),
        ] {
            assert!(of(&[(name, value)]).is_err(), "{name}={value}");
        }
    }
}

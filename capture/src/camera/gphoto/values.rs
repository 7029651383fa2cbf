//! A body's settings as libgphoto2 calls them: by name, with their choices.

use gphoto2::{error::ErrorKind, widget::Widget};

use super::{
    super::{Error, Kind},
    Body,
    words::said,
};

impl Body {
    pub(super) fn widget(&self, name: &str) -> Result<Widget, Error> {
        let mut lost = None;
        // libgphoto2 says "bad parameters" of a setting that the body lacks, of one that the body failed to describe this
        // once, and of every setting when the connection is lost. The body lacks it if it says so twice and still answers.
        for _ in 0..2 {
            let e = match self.camera.config_key::<Widget>(name).wait() {
                Ok(widget) => return Ok(widget),
                Err(e) => e,
            };
            let unknown = matches!(e.kind(), ErrorKind::BadParameters);
            let e = said(&format!("read {name}"), &e);
            if !unknown || self.camera.storages().wait().is_err() {
                return Err(e);
            }
            lost = Some(e);
        }
        if let Some(busy) = lost.filter(|e| e.kind == Kind::Busy) {
            return Err(busy);
        }
        let words = format!(
            "this body ({}) has no setting `{name}`: it cannot be driven; a D5300 and its siblings can, with the mode dial \
             on M",
            self.model
        );
        Err(Error::new(Kind::Refused, words))
    }

    /// The value of a setting as text; none where the body does not have it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.widget(name).ok().and_then(|w| text(&w))
    }

    /// What the body's clock shows, in seconds since 1970 as if it showed UTC; none where the body does not say.
    pub(super) fn clock(&self) -> Option<i64> {
        let Widget::Date(date) = self.widget("datetime").ok()? else { return None };
        // libgphoto2 takes what the clock shows for local time, and some versions for winter time. Here that is UTC: the
        // camera's process has no time zone.
        Some(i64::from(date.timestamp())).filter(|told| *told > 0)
    }

    pub(super) fn set_text(&self, name: &str, value: &str) -> Result<(), Error> {
        self.set_to(name, |_| value.to_owned())
    }

    /// Sets a value in the body's own spelling, which is chosen from its choices.
    pub(super) fn set_to(&self, name: &str, spell: impl Fn(&[String]) -> String) -> Result<(), Error> {
        let widget = self.widget(name)?;
        let choices: Vec<String> = match &widget {
            Widget::Radio(w) => w.choices_iter().collect(),
            _ => Vec::new(),
        };
        let value = &*spell(&choices);
        let what = format!("set {name} to {value}");
        if !choices.is_empty() && !choices.iter().any(|c| c == value) {
            let words = format!("cannot {what}: the body has {} only", choices.join(", "));
            return Err(Error::new(Kind::Refused, words));
        }
        let widget = match widget {
            Widget::Radio(w) => {
                w.set_choice(value).map_err(|e| said(&what, &e))?;
                Widget::Radio(w)
            }
            Widget::Text(w) => {
                w.set_value(value).map_err(|e| said(&what, &e))?;
                Widget::Text(w)
            }
            _ => return Err(Error::new(Kind::Refused, format!("cannot {what}: the body does not take it as text"))),
        };
        self.camera.set_config(&widget).wait().map_err(|e| {
            // Reading it went well a moment ago, so bad parameters mean the value here, or that the connection is gone.
            let refused = matches!(e.kind(), ErrorKind::BadParameters | ErrorKind::Other);
            let mut e = said(&what, &e);
            if refused && e.message.contains("not found") {
                // What libgphoto2 says of every answer but yes.
                if self.widget(name).is_ok() {
                    let words = format!("cannot {what}: the body does not take it; is the mode dial still on M?");
                    e = Error::new(Kind::Other, words);
                }
            } else if refused && matches!(e.kind, Kind::Gone | Kind::Other) {
                e.kind = Kind::Refused;
            }
            e
        })
    }
}

/// A setting's value as text.
pub(super) fn text(widget: &Widget) -> Option<String> {
    match widget {
        Widget::Radio(w) => Some(w.choice()),
        Widget::Text(w) => Some(w.value()),
        Widget::Range(w) => Some(w.value().to_string()),
        Widget::Toggle(w) => w.toggled().map(|on| if on { "On".into() } else { "Off".into() }),
        _ => None,
    }
}

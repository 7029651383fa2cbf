//! Templates of file names: `{scene}/{subject}/{index}_{settings}`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::FromText;

/// Where a photograph is stored: folders and a name from its settings.
///
/// Fields: `{scene}`, `{place}`, `{light}`, `{subject}`, `{index}` (four digits), `{settings}` (all that follow),
/// `{focal_length}`, `{f_number}`, `{shutter}`, `{iso}`, `{focus}`, `{repeat}`. `{index}` must be there, in the last part:
/// no two photographs have one name. Between fields: letters, digits, `-`, `_`, `.`, and `/` between folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming(Vec<Piece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// What a photograph has.
    Field(Field),
}

/// What a template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names in a template say it")]
pub enum Field {
    Scene,
    Place,
    Light,
    Subject,
    Index,
    Settings,
    FocalLength,
    FNumber,
    Shutter,
    Iso,
    Focus,
    Repeat,
}

const FIELDS: [(&str, Field); 12] = [
    ("scene", Field::Scene),
    ("place", Field::Place),
    ("light", Field::Light),
    ("subject", Field::Subject),
    ("index", Field::Index),
    ("settings", Field::Settings),
    ("focal_length", Field::FocalLength),
    ("f_number", Field::FNumber),
    ("shutter", Field::Shutter),
    ("iso", Field::Iso),
    ("focus", Field::Focus),
    ("repeat", Field::Repeat),
];

impl Naming {
    /// The parts, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Naming {
    fn default() -> Self {
        let text = |t: &str| Piece::Text(t.into());
        let field = Piece::Field;
        let pieces = [field(Field::Scene), text("/"), field(Field::Subject), text("/"), field(Field::Index)];
        Self(pieces.into_iter().chain([text("_"), field(Field::Settings)]).collect())
    }
}

impl FromStr for Naming {
    type Err = String;

    fn from_str(template: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let (text, more) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
            if let Some(odd) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_./".contains(*c)) {
                return Err(format!("a name has letters, digits, `-`, `_`, `.` and `/`, and not `{odd}`"));
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(text.into()));
            }
            rest = more;
            if let Some(inner) = rest.strip_prefix('{') {
                let (name, more) = inner.split_once('}').ok_or("a `{` has no `}`")?;
                let found = FIELDS.iter().find(|(known, _)| *known == name);
                let (_, field) = found.ok_or_else(|| {
                    let near = FIELDS.iter().min_by_key(|(known, _)| strsim::damerau_levenshtein(known, name));
                    let hint = near.map(|(known, _)| format!("; did you mean `{{{known}}}`?")).unwrap_or_default();
                    format!("there is no field `{{{name}}}`{hint}")
                })?;
                pieces.push(Piece::Field(*field));
                rest = more;
            } else if rest.starts_with('}') {
                return Err("a `}` has no `{`".into());
            }
        }
        let naming = Self(pieces);
        // Fields are never empty parts, nor have they slashes.
        let shape = naming.to_string();
        if shape.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return Err("a folder or a name is empty or begins with a dot".into());
        }
        if !shape.rsplit('/').next().is_some_and(|name| name.contains("{index}")) {
            return Err(
                "the name after the last `/` needs `{index}`: without it two photographs may have one name".into()
            );
        }
        Ok(naming)
    }
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Field(field) => {
                    let name = FIELDS.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name);
                    write!(f, "{{{name}}}")?;
                }
            }
        }
        Ok(())
    }
}

impl JsonSchema for Naming {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Naming".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"\{index\}[^/]*$",
            "description": "Folders and name of a photograph, with fields such as {scene}, {subject}, {index} and {settings}.",
        })
    }
}

impl Serialize for Naming {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Naming {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(FromText::<Self, true>("a template such as `{scene}/{index}`", std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_written_and_bad_ones_say_why() {
        assert_eq!(Naming::default().to_string(), "{scene}/{subject}/{index}_{settings}");
        for good in ["{index}", "a-b/{light}.{place}/{index}_f{f_number}_{shutter}_{iso}_{focus}_{repeat}"] {
            assert_eq!(good.parse::<Naming>().map(|n| n.to_string()), Ok(good.into()));
        }
        for (bad, why) in [
            ("{scene}", "needs `{index}`"),
            ("{index}/{scene}", "needs `{index}`"),
            ("{indx}", "no field `{indx}`; did you mean `{index}`?"),
            ("{index", "a `{` has no `}`"),
            ("index}", "a `}` has no `{`"),
            ("../{index}", "begins with a dot"),
            ("/{index}", "is empty"),
            ("a b{index}", "not ` `"),
        ] {
            assert!(bad.parse::<Naming>().is_err_and(|e| e.contains(why)), "{bad}: {:?}", bad.parse::<Naming>());
        }
    }
}

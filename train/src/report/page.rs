//! The page around the sections: contents, style, light and dark.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Section;

const STYLE: &str = include_str!("style.css");

/// The whole document.
pub(super) fn page(sections: &[Section]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Vitrine report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.brand { "Vitrine" }
                    h1 { "From a camera behind glass to a network that removes reflections" }
                    nav {
                        @for (i, section) in sections.iter().enumerate() {
                            a href={ "#part-" (i) } { span { (section.kind) } (section.title) }
                        }
                    }
                }
                main {
                    @for (i, section) in sections.iter().enumerate() {
                        section id={ "part-" (i) } {
                            p.kind { (section.kind) }
                            h2 { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { "Written by train " (env!("CARGO_PKG_VERSION")) ". This file is complete: it loads nothing." }
            }
        }
    }
}

/// A row of large figures with their names.
pub(super) fn figures(items: &[(&str, String)]) -> Markup {
    html! {
        dl.figures {
            @for (name, value) in items {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A picture with a caption below.
pub(super) fn figure(data_uri: &str, alt: &str, caption: Markup) -> Markup {
    html! { figure { img src=(data_uri) alt=(alt) loading="lazy"; figcaption { (caption) } } }
}

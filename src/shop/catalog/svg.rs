//! Refuses an SVG that could do more than be looked at: run a script, show a foreign document, load
//! something from elsewhere. It is served under a sandbox too; this is the first of two doors.

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesStart, Event, attributes::Attribute},
    name::ResolveResult,
};

use super::image::InvalidImage;

const NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// More would be an attack on whoever draws it.
const MAX_DEPTH: usize = 100;

/// Elements that run or embed something, by local name in lower case: a renderer that reads the
/// picture as HTML does not care about namespaces or case.
const ACTIVE: [&str; 16] = [
    "script",
    "foreignobject",
    "iframe",
    "object",
    "embed",
    "audio",
    "video",
    "source",
    "handler",
    "listener",
    "link",
    "meta",
    "base",
    "form",
    "html",
    "body",
];

/// The text in which no two renderers may read different things.
pub(super) fn check(text: &str) -> Result<(), InvalidImage> {
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut checked = Checked::default();
    loop {
        let (namespace, event) =
            reader.read_resolved_event().map_err(|error| refused(format!("is broken: {error}")))?;
        if matches!(event, Event::Eof) {
            return checked.finish();
        }
        let is_svg = matches!(namespace, ResolveResult::Bound(ns) if ns.0 == NAMESPACE);
        checked.event(&event, is_svg)?;
    }
}

#[derive(Default)]
struct Checked {
    depth: usize,
    seen_root: bool,
    /// Inside `<style>` at this depth.
    style_at: Option<usize>,
    style: String,
}

impl Checked {
    fn event(&mut self, event: &Event<'_>, is_svg: bool) -> Result<(), InvalidImage> {
        match event {
            Event::Start(start) => self.start(start, is_svg),
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(entity) => self.reference(entity),
            Event::Decl(decl) => match decl.encoding() {
                None => Ok(()),
                Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => Ok(()),
                Some(_) => Err(refused("is not in UTF-8")),
            },
            Event::PI(_) => Err(refused("has a processing instruction")),
            Event::DocType(_) => Err(refused("has a document type, which may declare entities")),
            Event::Comment(_) | Event::Empty(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, is_svg: bool) -> Result<(), InvalidImage> {
        let name = start.local_name().into_inner().to_ascii_lowercase();
        if self.depth == 0 && (self.seen_root || name != "svg" || !is_svg) {
            return Err(InvalidImage::Unknown);
        }
        self.seen_root = true;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(refused("is nested too deeply"));
        }
        if ACTIVE.contains(&name.as_str()) {
            return Err(refused(format!("has a <{name}> element")));
        }
        if name == "style" {
            self.style_at.get_or_insert(self.depth);
        }
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| refused(format!("is broken: {error}")))?;
            check_attribute(&attribute)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), InvalidImage> {
        if self.style_at == Some(self.depth) {
            self.style_at = None;
            check_style(&std::mem::take(&mut self.style))?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), InvalidImage> {
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(InvalidImage::Unknown);
        }
        if self.style_at.is_some() {
            self.style.push_str(text);
        }
        Ok(())
    }

    fn reference(&mut self, entity: &str) -> Result<(), InvalidImage> {
        // in a style it could hide a name; nobody needs one there
        if self.style_at.is_some() {
            return Err(refused("has an entity in its style"));
        }
        let known =
            ["amp", "lt", "gt", "quot", "apos"].contains(&entity) || entity.starts_with('#');
        if known { Ok(()) } else { Err(refused(format!("uses the entity {entity}"))) }
    }

    fn finish(self) -> Result<(), InvalidImage> {
        match (self.seen_root, self.depth) {
            (true, 0) => Ok(()),
            (true, _) => Err(refused("ends too early")),
            (false, _) => Err(InvalidImage::Unknown),
        }
    }
}

fn check_attribute(attribute: &Attribute<'_>) -> Result<(), InvalidImage> {
    let name = attribute.key.local_name().into_inner().to_ascii_lowercase();
    let value = attribute
        .normalized_value(XmlVersion::Implicit1_0)
        .map_err(|error| refused(format!("is broken: {error}")))?;
    let squeezed: String = value
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .flat_map(char::to_lowercase)
        .collect();
    if name.starts_with("on") {
        return Err(refused(format!("has an event handler, {name}")));
    }
    if squeezed.contains("javascript:") || squeezed.contains("vbscript:") {
        return Err(refused("has a script in an attribute"));
    }
    // an animation could set what was checked here to something else
    if name == "attributename" && (squeezed.contains("href") || squeezed.starts_with("on")) {
        return Err(refused("animates a reference"));
    }
    let is_reference = ["href", "src", "base", "data", "action"].contains(&name.as_str());
    if is_reference && !is_inside(&squeezed) {
        return Err(refused(format!("refers to something outside of it, {name}")));
    }
    // namespaces are names, not addresses
    if attribute.key.as_namespace_binding().is_some() { Ok(()) } else { check_style(&value) }
}

/// Styles, be it a whole sheet or the value of an attribute.
fn check_style(style: &str) -> Result<(), InvalidImage> {
    let mut rest: String =
        style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    if rest.contains("@import") || rest.contains("image-set(") || rest.contains("expression(") {
        return Err(refused("loads something by its style"));
    }
    // an escape could spell any of these names
    if rest.contains('\\') || rest.contains("/*") {
        return Err(refused("has an escape or a comment in its style"));
    }
    while let Some((_, after)) = rest.split_once("url(") {
        let target = after.trim_start_matches(['"', '\'']);
        if !is_inside(target) {
            return Err(refused("loads something by its style"));
        }
        rest = after.to_owned();
    }
    Ok(())
}

/// A part of the picture itself, or a bitmap that it carries.
fn is_inside(reference: &str) -> bool {
    const BITMAPS: [&str; 4] =
        ["data:image/png;", "data:image/jpeg;", "data:image/jpg;", "data:image/webp;"];
    reference.is_empty()
        || reference.starts_with('#')
        || BITMAPS.iter().any(|kind| reference.starts_with(kind))
}

fn refused(why: impl Into<String>) -> InvalidImage {
    InvalidImage::Svg(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(inner: &str) -> Result<(), InvalidImage> {
        check(&format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<!-- shoe -->\n<svg \
             xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' \
             viewBox='0 0 10 10'>{inner}</svg>\n"
        ))
    }

    #[test]
    fn what_pictures_are_made_of_is_allowed() {
        for good in [
            "",
            "<title>Shoe &amp; sole &#169;</title><path d='M0 0L1 1' fill=\"url(#g)\"/>",
            "<defs><linearGradient id='g'><stop offset='0'/></linearGradient></defs>",
            "<use xlink:href='#g'/><use href='#g'/>",
            "<style>.a{fill:#fff;clip-path:url('#c')}</style><g class='a' style='fill: red'/>",
            "<style><![CDATA[ .a > .b { fill: url(#g) } ]]></style>",
            "<image href='data:image/png;base64,iVBORw0KGgo='/>",
            "<animate attributeName='opacity' values='0;1' dur='1s'/>",
        ] {
            assert_eq!(within(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_runs_or_loads_something_is_refused() {
        for bad in [
            "<script>alert(1)</script>",
            "<SCRIPT/>",
            "<x:script xmlns:x='http://www.w3.org/2000/svg'/>",
            "<script xmlns='http://www.w3.org/1999/xhtml'/>",
            "<foreignObject><p/></foreignObject>",
            "<g onload='alert(1)'/>",
            "<g ONCLICK=''/>",
            "<a href='javascript:alert(1)'/>",
            "<a xlink:href='java&#10;script:alert(1)'/>",
            "<a href='https://example.com/'/>",
            "<use href='other.svg#a'/>",
            "<use href='//example.com/x.svg#a'/>",
            "<image href='data:image/svg+xml;base64,PHN2Zy8+'/>",
            "<a><set attributeName='href' to='#x'/></a>",
            "<animate attributeName='xlink:href' values='#a'/>",
            "<set attributeName='onload' to='x'/>",
            "<style>@import 'https://example.com/x.css';</style>",
            "<style>.a{fill:url(https://example.com/x)}</style>",
            "<style>.a{fill:url(#a);b:u/**/rl(x)}</style>",
            "<style>.a{fill:\\75rl(https://example.com/x)}</style>",
            "<style>.a{fill:url(&quot;https://example.com/x&quot;)}</style>",
            "<g style='fill: URL( \"https://example.com/x\" )'/>",
            "<g fill='url(https://example.com/x)'/>",
            "<g>&xxe;</g>",
            "<g a='&xxe;'/>",
            "<?xml-stylesheet href='x.css'?>",
            "<g xml:base='https://example.com/'/>",
            "<g></h>",
            "<g a='1' a='2'/>",
        ] {
            assert!(within(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_svg_is_refused() {
        let svg = "<svg xmlns='http://www.w3.org/2000/svg'/>";
        for bad in [
            String::new(),
            "shoe".into(),
            "<svg/>".into(),
            "<html xmlns='http://www.w3.org/1999/xhtml'/>".into(),
            format!("{svg}{svg}"),
            format!("{svg} trailing"),
            svg.replace("/>", ">"),
            format!("<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>{svg}"),
            format!("<?xml version='1.0' encoding='UTF-7'?>{svg}"),
            svg.replace("/>", &format!(">{}{}</svg>", "<g>".repeat(200), "</g>".repeat(200))),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
        assert_eq!(check(&format!("\u{feff}{svg}\n")), Ok(()));
    }
}

//! A frame as a picture.

use std::fmt::Write;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

/// Size of a character in hundredths of a pixel, and the edge around all of them.
const WIDTH: usize = 840;
const HEIGHT: usize = 1_800;
const EDGE: usize = 1_200;
const BACKGROUND: &str = "#16181d";

/// The picture: runs of characters that look the same are one text each.
pub(super) fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (
        usize::from(buffer.area.width),
        usize::from(buffer.area.height),
    );
    let (width, height) = (2 * EDGE + columns * WIDTH, 2 * EDGE + rows * HEIGHT);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"ui-monospace, \
         'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n",
        pixels(width),
        pixels(height)
    );
    for (y, row) in buffer.content().chunks(columns.max(1)).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a.style() == b.style()) {
            draw(&mut text, run, EDGE + x * WIDTH, EDGE + y * HEIGHT);
            x += run.len();
        }
    }
    text + "</svg>\n"
}

fn draw(text: &mut String, run: &[Cell], x: usize, y: usize) {
    let Some(first) = run.first() else { return };
    let reversed = first.modifier.contains(Modifier::REVERSED);
    let words: String = run.iter().map(Cell::symbol).collect();
    let width = pixels(run.len() * WIDTH);
    let mut ink = ink(first.fg);
    // Writing to a string cannot fail.
    if reversed {
        let (x, y, height) = (pixels(x), pixels(y), pixels(HEIGHT));
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{ink}\"/>"
        );
        ink = BACKGROUND;
    }
    if words.trim().is_empty() {
        return;
    }
    let bold = if first.modifier.contains(Modifier::BOLD) {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let dim = if first.modifier.contains(Modifier::DIM) {
        " opacity=\"0.6\""
    } else {
        ""
    };
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let (x, y) = (pixels(x), pixels(y + 1_350));
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{y}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\" fill=\"{ink}\"{bold}{dim}>{words}</text>"
    );
}

const fn ink(colour: Color) -> &'static str {
    match colour {
        Color::Green => "#8ec07c",
        Color::Yellow => "#fabd2f",
        Color::Red => "#fb6a5a",
        Color::Cyan => "#83a9d8",
        _ => "#d8dce4",
    }
}

/// Hundredths of a pixel as pixels.
fn pixels(hundredths: usize) -> String {
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{rest:02}")
    }
}

//! Text in columns.
//!
//! Knows widths. Doesn't know terminals.

/// A table with a head; columns are as wide as their widest cell, the last one is not padded.
pub(crate) fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let mut widths: [usize; N] = head.map(width);
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            widths[column] = widths[column].max(width(cell));
        }
    }
    let mut text = String::new();
    line(&mut text, head, &widths);
    for row in rows {
        line(&mut text, &row.each_ref().map(String::as_str), &widths);
    }
    text
}

fn line<const N: usize>(text: &mut String, cells: &[&str; N], widths: &[usize; N]) {
    let mut whole = String::new();
    for (cell, wide) in cells.iter().zip(widths) {
        whole.push_str(cell);
        whole.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
    }
    text.push_str(whole.trim_end());
    text.push('\n');
}

/// Columns of a terminal that a text takes, as far as a character is one.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The text, cut to a width with `…` at its end where something is missing.
pub(crate) fn cut(text: &str, wide: usize) -> String {
    if width(text) <= wide {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(wide.saturating_sub(1)).collect();
    if wide > 0 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit() {
        let rows = [
            ["ü".to_owned(), "1".to_owned()],
            ["longer".to_owned(), String::new()],
        ];
        assert_eq!(table(&["A", "B"], &rows), "A       B\nü       1\nlonger\n");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
    }
}

//! Pages of a list: how many rows, from where, and the token of the next page.
//!
//! ```text
//!   names in order:  a b c | d e f | g h
//!                    page 1  token "c" -> page 2  token "f" -> page 3, no token
//! ```
//!
//! Promises: a token is the last name of its page, so that pages neither repeat nor skip a name that stays, whatever
//! is added or removed between them. Refuses: more rows than the limit, in words, never by silent cutting.

use std::ops::Bound;

use imbl::OrdMap;
use tonic::Status;

use crate::config;

/// Rows asked for and the name after which they begin.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    limit: usize,
    after: &'a str,
}

/// The number of rows for `asked` (0: the default), unless that is over the limit.
pub fn rows(asked: u32, settings: &config::Admin) -> Result<u32, Status> {
    match asked {
        0 => Ok(settings.page_rows),
        _ if asked > settings.page_rows_max => {
            let most = settings.page_rows_max;
            let text = format!("limit {asked} is over {most} (admin.page_rows_max): ask for less and go on by page");
            Err(Status::invalid_argument(text))
        }
        _ => Ok(asked),
    }
}

impl<'a> Page<'a> {
    /// The page of `asked` rows after `token`.
    pub fn new(asked: u32, token: &'a str, settings: &config::Admin) -> Result<Self, Status> {
        Ok(Self { limit: rows(asked, settings)? as usize, after: token })
    }

    /// The rows of this page that `show` gives for the names of `index`, and the token of the next page.
    pub fn take<Id: Copy, T>(
        self,
        index: &OrdMap<String, Id>,
        mut show: impl FnMut(&str, Id) -> Option<T>,
    ) -> (Vec<T>, String) {
        let mut page = Vec::new();
        let mut last = "";
        for (name, id) in index.range::<_, str>((self.start(), Bound::Unbounded)) {
            let Some(row) = show(name, *id) else { continue };
            if page.len() == self.limit {
                return (page, last.to_owned());
            }
            page.push(row);
            last = name;
        }
        (page, String::new())
    }

    const fn start(&self) -> Bound<&'a str> {
        if self.after.is_empty() { Bound::Unbounded } else { Bound::Excluded(self.after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(names: &[&str]) -> OrdMap<String, usize> {
        names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), n)).collect()
    }

    fn page(limit: u32, token: &str, index: &OrdMap<String, usize>) -> (Vec<String>, String) {
        let page = Page::new(limit, token, &config::Admin::default()).expect("within the limit");
        page.take(index, |name, _| Some(name.to_owned()))
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let all = index(&["a", "b", "c", "d", "e"]);
        let (first, token) = page(2, "", &all);
        assert_eq!((first, token.as_str()), (vec!["a".to_owned(), "b".to_owned()], "b"));
        let (second, token) = page(2, &token, &all);
        assert_eq!((second, token.as_str()), (vec!["c".to_owned(), "d".to_owned()], "d"));
        assert_eq!(page(2, &token, &all), (vec!["e".to_owned()], String::new()));
    }

    #[test]
    fn a_full_last_page_has_no_next_token() {
        let (rows, token) = page(2, "", &index(&["a", "b"]));
        assert_eq!((rows.len(), token.as_str()), (2, ""));
    }

    #[test]
    fn a_name_removed_between_pages_is_not_missed_by_the_next() {
        let (rows, _) = page(2, "b", &index(&["a", "c", "d"]));
        assert_eq!(rows, ["c", "d"]);
    }

    #[test]
    fn names_left_out_do_not_count_and_do_not_end_the_page() {
        let all = index(&["a", "x", "b", "y", "c"]);
        let wanted = Page::new(2, "", &config::Admin::default()).expect("within the limit");
        let (rows, token) = wanted.take(&all, |name, _| "abc".contains(name).then(|| name.to_owned()));
        assert_eq!((rows, token.as_str()), (vec!["a".to_owned(), "b".to_owned()], "b"));
    }

    #[test]
    fn more_rows_than_the_limit_are_refused_by_its_name() {
        let refused = rows(10_001, &config::Admin::default()).expect_err("over the limit");
        assert!(refused.message().contains("10001") && refused.message().contains("admin.page_rows_max"));
        assert_eq!(rows(0, &config::Admin::default()).expect("the default"), 100);
    }
}

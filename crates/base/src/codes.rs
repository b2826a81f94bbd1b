//! Stable codes of findings.
//!
//! A code is for ever: documentation, tests and bug reports quote it. Each room that finds things
//! in people's texts declares its own list, in one place, in one shape.

/// Declares `enum Code` of stable codes, each with its meaning in one sentence, and how to get at
/// them: `ALL`, `as_str`, `meaning`.
///
/// ```
/// base::codes! {
///     NotFound = "E001", "It is not there.";
///     TooLong = "E002", "It is longer than it can be.";
/// }
/// assert_eq!(Code::ALL, [Code::NotFound, Code::TooLong]);
/// assert_eq!(Code::TooLong.as_str(), "E002");
/// assert_eq!(Code::NotFound.meaning(), "It is not there.");
/// ```
#[macro_export]
macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// What kind of thing is wrong. Codes are stable: none is ever reused for something else.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All of them, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable code: a letter and a number.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// What it stands for, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning,)* }
            }
        }
    };
}

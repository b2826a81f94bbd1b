//! The schemas there are, in the order they came.

use std::fmt;

/// One schema. Later ones are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Schema(u8);

macro_rules! schemas {
    ($($constant:ident = $number:literal, $name:literal;)*) => {
        impl Schema {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Schema = Schema($number);
            )*

            /// All of them, from the oldest on, with their names.
            pub const ALL: &'static [(Schema, &'static str)] = &[$((Schema($number), $name),)*];
        }
    };
}

schemas! {
    V1_0 = 0, "pacemaker-1.0";
    V1_2 = 1, "pacemaker-1.2";
    V1_3 = 2, "pacemaker-1.3";
    V2_0 = 3, "pacemaker-2.0";
    V2_1 = 4, "pacemaker-2.1";
    V2_2 = 5, "pacemaker-2.2";
    V2_3 = 6, "pacemaker-2.3";
    V2_4 = 7, "pacemaker-2.4";
    V2_5 = 8, "pacemaker-2.5";
    V2_6 = 9, "pacemaker-2.6";
    V2_7 = 10, "pacemaker-2.7";
    V2_8 = 11, "pacemaker-2.8";
    V2_9 = 12, "pacemaker-2.9";
    V2_10 = 13, "pacemaker-2.10";
    V3_0 = 14, "pacemaker-3.0";
    V3_1 = 15, "pacemaker-3.1";
    V3_2 = 16, "pacemaker-3.2";
    V3_3 = 17, "pacemaker-3.3";
    V3_4 = 18, "pacemaker-3.4";
    V3_5 = 19, "pacemaker-3.5";
    V3_6 = 20, "pacemaker-3.6";
    V3_7 = 21, "pacemaker-3.7";
    V3_8 = 22, "pacemaker-3.8";
    V3_9 = 23, "pacemaker-3.9";
}

impl Schema {
    /// The oldest.
    pub const OLDEST: Schema = Schema::V1_0;
    /// The latest; what is written today.
    pub const LATEST: Schema = Schema::V3_9;

    /// The schema of a name such as `pacemaker-3.9`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| *it == name).map(|(schema, _)| *schema)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(schema, _)| *schema == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_order() {
        assert!(Schema::ALL.is_sorted());
        for (schema, name) in Schema::ALL {
            assert_eq!(Schema::named(name), Some(*schema));
            assert_eq!(schema.to_string(), *name);
        }
        assert!(Schema::named("pacemaker-2.10") > Schema::named("pacemaker-2.9"));
        assert_eq!(Schema::named("pacemaker-0.6"), None);
    }
}

//! The shape of a value as octets: a number that is another one as soon as anything about it is.
//!
//! What control has in force travels to the next control as octets whose meaning nobody wrote down: they
//! change with every keyword that is added. Between two processes of one version that is harmless.
//! Between versions it must not be taken for something else, so the octets carry the shape of what they
//! are, and whoever has another one reads the configuration's file instead.
//!
//! The shape comes from the type itself: its own deserialiser is run on made-up input, again and again
//! with other variants of every choice in it, until nothing new is seen. Every name, kind and place on
//! the way goes into the number.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::value::{Error, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer as _,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// So many runs in a row must have seen nothing new.
const QUIET: u32 = 200;

/// What lies deeper than this contains itself.
const DEEPEST: u32 = 100;

/// The shape of a type.
pub(crate) fn of<T: DeserializeOwned>() -> u64 {
    trace::<T>().0
}

/// The shape, and whether a value could be made up at all: without that, part of it was not seen.
fn trace<T: DeserializeOwned>() -> (u64, bool) {
    let mut seen = Seen::default();
    let (mut quiet, mut whole) = (0, false);
    while quiet < QUIET {
        let before = seen.places.len();
        let root = Place { seen: &mut seen, path: START, depth: 0 };
        whole |= T::deserialize(root).is_ok();
        quiet = if seen.places.len() == before { quiet + 1 } else { 0 };
    }
    let mut shape = START;
    for place in &seen.places {
        shape = mix(shape, &place.to_le_bytes());
    }
    (shape, whole)
}

/// FNV-1a.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, octets: &[u8]) -> u64 {
    let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
    octets.iter().fold(hash, step)
}

#[derive(Default)]
struct Seen {
    /// Every place, with the kind of what is there.
    places: BTreeSet<u64>,
    /// How often a choice was come to.
    turns: BTreeMap<u64, usize>,
}

/// Where something is to be made up.
struct Place<'a> {
    seen: &'a mut Seen,
    path: u64,
    depth: u32,
}

impl Place<'_> {
    fn note(&mut self, kind: &str) {
        self.seen.places.insert(mix(self.path, kind.as_bytes()));
    }

    fn inner(&mut self, name: &str, at: usize) -> Place<'_> {
        let path = mix(mix(self.path, name.as_bytes()), &at.to_le_bytes());
        Place { seen: self.seen, path, depth: self.depth + 1 }
    }
}

macro_rules! plain {
    ($($method:ident $visit:ident $($value:expr)?;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            self.note(stringify!($visit));
            visitor.$visit($($value)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Error;

    plain! {
        deserialize_bool visit_bool false;
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char 'a';
        deserialize_str visit_str "a";
        deserialize_string visit_str "a";
        deserialize_bytes visit_bytes &[1];
        deserialize_byte_buf visit_bytes &[1];
        deserialize_unit visit_unit;
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("option");
        visitor.visit_some(self.inner("?", 0))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self.inner(name, 0))
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("sequence");
        visitor.visit_seq(Parts { place: self, names: &[], at: 0, count: 1 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(&format!("{count} values"));
        visitor.visit_seq(Parts { place: self, names: &[], at: 0, count })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name);
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("map");
        visitor.visit_map(Parts { place: self, names: &[], at: 0, count: 1 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name);
        if self.depth > DEEPEST {
            return Err(Error::custom("it contains itself"));
        }
        visitor.visit_seq(Parts { place: self, names, at: 0, count: names.len() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name);
        for (at, variant) in variants.iter().enumerate() {
            self.note(&format!("{at} {variant}"));
        }
        let turn = self.seen.turns.entry(self.path).or_default();
        let at = *turn % variants.len().max(1);
        *turn += 1;
        let variant = variants.get(at).copied().unwrap_or_default();
        visitor.visit_enum(Choice { place: self.inner(variant, at), at })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("it does not say what it is"))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// One value after the other.
struct Parts<'a> {
    place: Place<'a>,
    names: &'static [&'static str],
    at: usize,
    count: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.at == self.count {
            return Ok(None);
        }
        let name = self.names.get(self.at).copied().unwrap_or_default();
        let value = seed.deserialize(self.place.inner(name, self.at))?;
        self.at += 1;
        Ok(Some(value))
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.at == self.count {
            return Ok(None);
        }
        self.at += 1;
        seed.deserialize(self.place.inner("key", 0)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.place.inner("value", 0))
    }
}

/// One of several.
struct Choice<'a> {
    place: Place<'a>,
    at: usize,
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let at = u32::try_from(self.at).map_err(Error::custom)?;
        let at: U32Deserializer<Error> = at.into_deserializer();
        Ok((seed.deserialize(at)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Error;

    fn unit_variant(mut self) -> Result<(), Error> {
        self.place.note("nothing");
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.place)
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Error> {
        self.place.deserialize_tuple(count, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.place.deserialize_struct("variant", names, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Shapes that differ in one thing each from the first.
    macro_rules! shapes {
        ($({ $($item:item)* })*) => {
            vec![$({
                #[allow(dead_code)]
                mod one {
                    use super::*;
                    #[allow(unused_imports)]
                    use std::net::IpAddr;
                    use std::time::Duration;
                    $(#[derive(Deserialize)] $item)*
                }
                assert!(trace::<one::Whole>().1, "no value can be made up");
                of::<one::Whole>()
            }),*]
        };
    }

    #[test]
    fn whatever_is_another_has_another_shape() {
        let shapes = shapes! {
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>> } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
            { pub(super) struct Whole { a: u16, b: Vec<Option<Inner>> } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
            { pub(super) struct Whole { c: u8, b: Vec<Option<Inner>> } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
            { pub(super) struct Whole { b: Vec<Option<Inner>>, a: u8 } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
            { pub(super) struct Whole { a: u8, b: Vec<Inner> } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>>, c: () } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>> } enum Inner { X, Y(IpAddr), Z { d: Duration }, W } }
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>> } enum Inner { Y(IpAddr), X, Z { d: Duration } } }
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>> } enum Inner { X, Y(String), Z { d: Duration } } }
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>> } enum Inner { X, Y(IpAddr), Z { d: Option<Duration> } } }
            { pub(super) struct Whole { a: u8, b: [Option<Inner>; 2] } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
        };
        let different: BTreeSet<u64> = shapes.iter().copied().collect();
        assert_eq!(different.len(), shapes.len());
        let again = shapes! {
            { pub(super) struct Whole { a: u8, b: Vec<Option<Inner>> } enum Inner { X, Y(IpAddr), Z { d: Duration } } }
        };
        assert_eq!(again[0], shapes[0]);
    }
}

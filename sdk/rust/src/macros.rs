//! [`plugin!`](crate::plugin!): the one line that turns a type with hooks into a component.
//!
//! On other targets than wasm it only says who the plugin is and checks that the hooks are there.

/// Exports a plugin's hooks and writes its manifest.
///
/// ```ignore
/// aspire_sdk::plugin! {
///     id: "redis",
///     version: env!("CARGO_PKG_VERSION"),
///     wishes: ["run-process:redis-server" => "runs Redis without a container engine"],
///     type: Redis,
///     hooks: [integration, pass],
/// }
/// ```
///
/// Hooks are `integration`, `pass`, `lowering` and `publisher`; the type implements the trait of
/// each. Exactly these are exported, and `descriptor`. `wishes` are permissions, each with the
/// reason that the user is shown when asked to grant it.
#[macro_export]
macro_rules! plugin {
    (
        id: $id:literal,
        version: $version:expr,
        wishes: [$($wish:literal => $reason:literal),* $(,)?],
        type: $type:ident,
        hooks: [$($hook:ident),* $(,)?] $(,)?
    ) => {
        impl $crate::Identity for $type {
            const ID: &'static str = $id;
            const VERSION: &'static str = $version;
            const WISHES: &'static [(&'static str, &'static str)] = &[$(($wish, $reason)),*];
        }

        $($crate::__check_hook!($hook $type);)*

        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "a custom section is the only way to be read uncompiled")]
        const _: () = {
            const MANIFEST: &str = concat!(
                "{\"id\":\"", $id, "\",\"version\":\"", $version,
                "\",\"interface\":\"0.1.0\",\"wishes\":[",
                $crate::__wishes!($($wish)*), "]}"
            );
            const LENGTH: usize = MANIFEST.len();

            #[used]
            #[unsafe(link_section = "aspire:manifest")]
            static SECTION: [u8; LENGTH] = $crate::manifest_bytes(
                MANIFEST, $id, $version, &[$($wish),*],
            );
        };

        #[cfg(target_family = "wasm")]
        $crate::__export_hooks!(@ $type no no; $($hook)*);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __wishes {
    () => { "" };
    ($first:literal $($rest:literal)*) => { concat!("\"", $first, "\"" $(, ",\"", $rest, "\"")*) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __check_hook {
    (integration $type:ident) => { $crate::__check_hook!(@ $type Integration); };
    (pass $type:ident) => { $crate::__check_hook!(@ $type Pass); };
    (lowering $type:ident) => { $crate::__check_hook!(@ $type Lowering); };
    (publisher $type:ident) => { $crate::__check_hook!(@ $type Publisher); };
    (@ $type:ident $trait:ident) => {
        const _: () = {
            const fn hook_is_there<T: $crate::Plugin + $crate::$trait>() {}
            hook_is_there::<$type>();
        };
    };
    ($other:ident $type:ident) => {
        compile_error!("hooks are integration, pass, lowering and publisher");
    };
}

/// `pass` and `lowering` are one export of the component; the two flags remember which were listed.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hooks {
    (@ $type:ident $pass:ident $lowering:ident; integration $($rest:ident)*) => {
        const _: () = {
            type Exported = $crate::glue::IntegrationOf<$type>;
            $crate::bindings::integrating::export_integration!(Exported);
        };
        $crate::__export_hooks!(@ $type $pass $lowering; $($rest)*);
    };
    (@ $type:ident $pass:ident $lowering:ident; publisher $($rest:ident)*) => {
        const _: () = {
            type Exported = $crate::glue::PublisherOf<$type>;
            $crate::bindings::publishing::export_publisher!(Exported);
        };
        $crate::__export_hooks!(@ $type $pass $lowering; $($rest)*);
    };
    (@ $type:ident $pass:ident $lowering:ident; pass $($rest:ident)*) => {
        $crate::__export_hooks!(@ $type yes $lowering; $($rest)*);
    };
    (@ $type:ident $pass:ident $lowering:ident; lowering $($rest:ident)*) => {
        $crate::__export_hooks!(@ $type $pass yes; $($rest)*);
    };
    (@ $type:ident no no;) => { $crate::__export_hooks!(@descriptor $type); };
    (@ $type:ident yes no;) => { $crate::__export_hooks!(@passes $type PassOf); };
    (@ $type:ident no yes;) => { $crate::__export_hooks!(@passes $type LoweringOf); };
    (@ $type:ident yes yes;) => { $crate::__export_hooks!(@passes $type PassAndLoweringOf); };
    (@passes $type:ident $glue:ident) => {
        const _: () = {
            type Exported = $crate::glue::$glue<$type>;
            $crate::bindings::passing::export_pass!(Exported);
        };
        $crate::__export_hooks!(@descriptor $type);
    };
    (@descriptor $type:ident) => {
        const _: () = {
            type Exported = $crate::glue::DescriptorOf<$type>;
            $crate::bindings::describing::export_descriptor!(Exported);
        };
    };
}

/// The manifest's bytes; does not compile when a part of it would have to be escaped in JSON.
#[doc(hidden)]
pub const fn manifest_bytes<const LENGTH: usize>(
    manifest: &str,
    id: &str,
    version: &str,
    wishes: &[&str],
) -> [u8; LENGTH] {
    assert!(
        is_plain(id) && is_plain(version),
        "id and version: printable ASCII without quotes"
    );
    let mut index = 0;
    while index < wishes.len() {
        assert!(
            is_plain(wishes[index]),
            "wishes: printable ASCII without quotes"
        );
        index += 1;
    }
    match manifest.as_bytes().first_chunk() {
        Some(bytes) => *bytes,
        None => panic!("LENGTH is the manifest's"),
    }
}

const fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        if byte < b' ' || byte > b'~' || byte == b'"' || byte == b'\\' {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty()
}

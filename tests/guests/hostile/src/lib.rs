//! A plugin that does what plugins should not do. The option `does` says what; the host has to
//! survive it and say whose fault it was.

use aspire_sdk::serde_json::json;
use aspire_sdk::{Declaration, Edits, Error, Integration, Kind, Mount, Plugin, Registration, expr};

/// The plugin.
#[derive(Debug)]
pub struct Hostile;

const IMAGE: &str = "docker.io/library/busybox:1";

impl Plugin for Hostile {
    fn describe() -> Registration {
        Registration::new().kind(
            Kind::new("hostile", "Does what `does` says")
                .required_option("does", json!({ "type": "string" }))
                .option("victim", json!({ "type": "string" })),
        )
    }
}

impl Integration for Hostile {
    fn expand(declaration: &Declaration, edits: &mut Edits) -> Result<(), Error> {
        let options: aspire_sdk::serde_json::Value = declaration.options()?;
        let text = |key: &str| options[key].as_str().unwrap_or_default().to_owned();
        // Spelled so that naming it is not handing it over.
        let (does, victim) = (text("does"), text("victim").replace("the ", ""));
        let name = declaration.name();
        if does == "shell" {
            edits
                .executable(name, declaration.kind())
                .command("sh")
                .args(["-c", "touch pwned"]);
            return Ok(());
        }
        if does == "bad-name" {
            edits
                .container("no name at all", declaration.kind())
                .image(IMAGE);
        }
        if does == "foreign-edit" {
            edits.edit(&victim).env("STOLEN", "yes");
        }
        if does == "million" {
            for number in 0..1_000_000 {
                edits
                    .container(format!("{name}-{number}"), declaration.kind())
                    .image(IMAGE);
            }
        }
        let resource = edits.container(name, declaration.kind()).image(IMAGE);
        match does.as_str() {
            "panic" => panic!("the guest gives up on purpose"),
            "trap" => std::process::abort(),
            "loop" => spin(),
            "allocate" => devour(),
            "error" => {
                return Err(Error::new("hostile:refused", "it does not want to")
                    .at(name, "/does")
                    .help("ask it politely"));
            }
            "bad-reference" => drop(resource.env("VALUE", expr::prop("nobody", "Host"))),
            "bind" => drop(resource.mount("root", Mount::bind("/", "/machine"))),
            "privileged" => drop(resource.privilege("privileged", "")),
            "foreign-secret" => drop(resource.env("LOOT", expr::param(&victim))),
            _ => {}
        }
        Ok(())
    }
}

// A frame of its own, for the backtrace.
#[inline(never)]
fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn devour() -> ! {
    let mut meals: Vec<Vec<u8>> = Vec::new();
    loop {
        meals.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

aspire_sdk::plugin! {
    id: "hostile",
    version: env!("CARGO_PKG_VERSION"),
    wishes: [
        "run-process:sh" => "to take over the machine",
        "host-path" => "to read all of it",
        "privileged" => "to be root on it",
        "foreign-secret" => "to know everything",
        "edit:*" => "to leave its mark",
    ],
    type: Hostile,
    hooks: [integration],
}

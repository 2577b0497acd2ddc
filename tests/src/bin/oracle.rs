//! Records what the real Kubernetes API server answers: `tests/oracle/record` runs this with a
//! kubeconfig of one. With names, only those topics.

use aspire_host_tests::oracle::{replay, script, server};
use aspire_host_tests::places;
use serde_json::Value;

fn main() {
    assert!(
        std::env::var_os(server::GIVEN).is_some(),
        "only a real server is recorded: run tests/oracle/record"
    );
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let server = server::Server::find();
    let folder = script::place("answers");
    std::fs::create_dir_all(&folder).expect("a folder of the repository");
    for name in script::topics() {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        let answers = replay::topic(&server, &script::topic(&name));
        places::say(&format!("oracle: {name}: {} answers", answers.len()));
        // In the order of the alphabet, whatever serde_json was built with.
        let sorted = sort(&Value::Object(answers));
        let text = serde_json::to_string_pretty(&sorted).expect("JSON") + "\n";
        std::fs::write(folder.join(format!("{name}.json")), text).expect("written");
    }
}

fn sort(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: std::collections::BTreeMap<_, _> = fields.iter().collect();
            let pairs = sorted.into_iter().map(|(k, v)| (k.clone(), sort(v)));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => items.iter().map(sort).collect(),
        other => other.clone(),
    }
}

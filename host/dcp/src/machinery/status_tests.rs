//! The wording of every status.

use super::*;

const EXE: GroupResource<'_> = GroupResource {
    group: "usvc-dev.developer.microsoft.com",
    resource: "executables",
};

const KIND: GroupKind<'_> = GroupKind {
    group: "usvc-dev.developer.microsoft.com",
    kind: "Executable",
};

#[test]
fn wording() {
    let exe = "executables.usvc-dev.developer.microsoft.com \"x\"";
    let cannot = format!("Operation cannot be fulfilled on {exe}:");
    for (status, code, reason, message) in [
        (Status::not_found(EXE, "x"), 404, "NotFound", format!("{exe} not found")),
        (Status::already_exists(EXE, "x"), 409, "AlreadyExists", format!("{exe} already exists")),
        (
            Status::conflict(EXE, "x"),
            409,
            "Conflict",
            format!("{cannot} the object has been modified; please apply your changes to the latest version and try again"),
        ),
        (
            Status::uid_precondition(EXE, "x", "a", "b"),
            409,
            "Conflict",
            format!("{cannot} Precondition failed: UID in precondition: a, UID in object meta: b"),
        ),
        (
            Status::delete_uid(KIND, "x", "a", "b"),
            409,
            "Conflict",
            "Operation cannot be fulfilled on Executable.usvc-dev.developer.microsoft.com \"x\": the UID in the precondition (a) does not match the UID in record (b). The object might have been deleted and then recreated".to_owned(),
        ),
        (
            Status::method_not_allowed(EXE, "patch"),
            405,
            "MethodNotAllowed",
            "patch is not supported on resources of kind \"executables.usvc-dev.developer.microsoft.com\"".to_owned(),
        ),
        (
            Status::method_not_allowed_here(),
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".to_owned(),
        ),
        (
            Status::unsupported_media_type(&["application/json-patch+json", "application/merge-patch+json"]),
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json".to_owned(),
        ),
        (Status::too_old(1, 5), 410, "Expired", "too old resource version: 1 (5)".to_owned()),
        (
            Status::too_large_version(9, 5),
            504,
            "Timeout",
            "Timeout: Too large resource version: 9, current: 5".to_owned(),
        ),
        (
            Status::forbidden_path("system:anonymous", "get", "/apis"),
            403,
            "Forbidden",
            "forbidden: User \"system:anonymous\" cannot get path \"/apis\"".to_owned(),
        ),
        (Status::forbidden(EXE, "x", "no"), 403, "Forbidden", format!("{exe} is forbidden: no")),
        (Status::too_large(3_145_728), 413, "RequestEntityTooLarge", "Request entity is too large: limit is 3145728".to_owned()),
        (Status::internal("oops"), 500, "InternalError", "Internal error occurred: oops".to_owned()),
        (Status::unauthorized(), 401, "Unauthorized", "Unauthorized".to_owned()),
        (
            Status::not_acceptable(&["application/json"]),
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json".to_owned(),
        ),
    ] {
        let value = status.to_value();
        assert_eq!(value["code"], code);
        assert_eq!(value["reason"], reason);
        assert_eq!(value["message"], message.as_str());
        assert_eq!(value["kind"], "Status");
        assert_eq!(value["apiVersion"], "v1");
        assert_eq!(value["status"], "Failure");
        assert!(value["metadata"].is_object());
    }
}

#[test]
fn invalid_has_causes() {
    let kind = GroupKind {
        group: "example.com",
        kind: "Executable",
    };
    let errors = [FieldError::required(
        "spec.executablePath",
        "say what to run",
    )];
    assert_eq!(
        Status::invalid(kind, "web", &errors).to_value(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Executable.example.com \"web\" is invalid: spec.executablePath: \
                        Required value: say what to run",
            "reason": "Invalid", "code": 422,
            "details": {"name": "web", "group": "example.com", "kind": "Executable", "causes": [{
                "reason": "FieldValueRequired",
                "message": "Required value: say what to run",
                "field": "spec.executablePath",
            }]},
        })
    );
}

#[test]
fn success_and_retry() {
    assert_eq!(
        Status::success(EXE, "x", "u1").to_value(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "x", "group": EXE.group, "kind": "executables", "uid": "u1"},
        })
    );
    assert_eq!(Status::too_many_requests(3).retry_after_seconds(), Some(3));
    assert_eq!(
        Status::too_large_version(2, 1).retry_after_seconds(),
        Some(1)
    );
    assert_eq!(
        Status::continue_expired("abc").to_value()["metadata"]["continue"],
        "abc"
    );
}

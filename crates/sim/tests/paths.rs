//! Each operation of each path fails once; see the crash table in `sim::paths`.

macro_rules! paths {
    ($($name:ident: $path:literal, at least $least:literal;)*) => {
        $(#[test]
        fn $name() {
            match sim::paths::fail_at_each($path) {
                Ok(operations) => assert!(operations >= $least, "{operations} operations"),
                Err(what) => panic!("{what}"),
            }
        })*

        #[test]
        fn each_path_is_walked() {
            assert_eq!(sim::paths::PATHS, [$($path),*]);
        }
    };
}

paths! {
    deliver: "deliver", at least 2;
    deliver_to_many: "deliver to many", at least 2;
    deliver_a_large_body: "deliver a large body", at least 7;
    submit: "submit", at least 2;
    append: "append", at least 2;
    store: "store", at least 2;
    copy: "copy", at least 2;
    r#move: "move", at least 2;
    expunge: "expunge", at least 4;
    pop3: "pop3", at least 2;
    create: "create", at least 2;
    rename: "rename", at least 2;
    delete: "delete", at least 2;
    add_an_account: "add an account", at least 2;
    remove_an_account: "remove an account", at least 4;
    roll_and_checkpoint: "roll and checkpoint", at least 20;
    reclaim: "reclaim", at least 15;
}

//! Searching finds what one may see, page by page, and nothing that was taken back.

use std::collections::HashSet;

use chat_tests::{Client, Device, Server};
use serde_json::{Value, json};

#[test]
fn a_search_finds_only_what_the_searcher_may_see() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let mut eve = Device::new(&server, "eve").login();
    done(
        &mut ann,
        json!({"type": "create", "room": "den", "public": false}),
    );
    done(&mut ann, json!({"type": "create", "room": "garden"}));
    send(&mut ann, "den", "a pear before bob");
    done(
        &mut ann,
        json!({"type": "invite", "room": "den", "account": "bob"}),
    );
    done(&mut bob, json!({"type": "join", "room": "den"}));
    send(&mut ann, "den", "a pear with bob");
    send(&mut ann, "garden", "a pear in the garden");
    send(&mut bob, "lobby", "a pear in the lobby");
    done(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "a pear for bob"}),
    );

    let all = [
        "a pear for bob",
        "a pear in the lobby",
        "a pear in the garden",
        "a pear with bob",
        "a pear before bob",
    ];
    assert_eq!(
        found(&mut ann, json!({"text": "pear"})),
        all,
        "newest first"
    );
    assert_eq!(
        found(&mut bob, json!({"text": "pear"})),
        ["a pear for bob", "a pear in the lobby", "a pear with bob"]
    );
    assert_eq!(
        found(&mut eve, json!({"text": "pear"})),
        ["a pear in the lobby"]
    );

    // In one place only.
    assert_eq!(
        found(&mut bob, json!({"text": "pear", "room": "den"})),
        ["a pear with bob"]
    );
    assert_eq!(
        found(&mut bob, json!({"text": "pear", "to": "ann"})),
        ["a pear for bob"]
    );
    refused(
        &mut eve,
        json!({"type": "search", "text": "pear", "room": "den"}),
        "no_such_room",
    );
    refused(
        &mut eve,
        json!({"type": "search", "text": "pear", "room": "nowhere"}),
        "no_such_room",
    );

    // Who is kicked out of a room finds what it saw there, and nothing later.
    done(
        &mut ann,
        json!({"type": "kick", "room": "den", "account": "bob"}),
    );
    send(&mut ann, "den", "a pear after bob");
    assert_eq!(
        found(&mut bob, json!({"text": "pear", "room": "den"})),
        ["a pear with bob"]
    );

    // Each hit says where it is.
    let hit = search(&mut ann, json!({"text": "garden", "room": "garden"}))["items"][0].clone();
    assert_eq!(
        (&hit["room"], &hit["from"], &hit["type"]),
        (&"garden".into(), &"ann".into(), &"message".into())
    );
    assert!(hit["seq"].is_u64() && hit["time"].is_string(), "{hit}");
}

#[test]
fn what_was_edited_is_found_by_its_new_words_and_what_was_deleted_not_at_all() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let edited = send(&mut ann, "lobby", "apples are blue");
    let deleted = send(&mut ann, "lobby", "apples are a secret");
    let both = send(&mut ann, "lobby", "nothing yet");
    done(
        &mut ann,
        json!({"type": "edit", "room": "lobby", "seq": both, "text": "apples are a mistake"}),
    );
    assert_eq!(
        found(&mut ann, json!({"text": "secret"})),
        ["apples are a secret"]
    );

    done(
        &mut ann,
        json!({"type": "edit", "room": "lobby", "seq": edited, "text": "apples are green"}),
    );
    done(
        &mut ann,
        json!({"type": "delete", "room": "lobby", "seq": deleted}),
    );
    done(
        &mut ann,
        json!({"type": "delete", "room": "lobby", "seq": both}),
    );
    assert_eq!(
        found(&mut ann, json!({"text": "green"})),
        ["apples are green"]
    );
    for gone in ["secret", "mistake", "nothing"] {
        assert_eq!(found(&mut ann, json!({"text": gone})), [""; 0], "{gone}");
    }
    let history = {
        ann.tell(&json!({"type": "history", "room": "lobby", "ref": "history"}));
        ann.answer("history").to_string()
    };
    assert!(
        !history.contains("secret") && !history.contains("mistake"),
        "{history}"
    );
}

#[test]
fn words_are_found_however_they_are_written() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    send(
        &mut ann,
        "lobby",
        "Der Zug nach K\u{f6}ln f\u{e4}hrt um 12:30 \"los\"",
    );
    send(&mut ann, "lobby", "it's a one-way ticket");
    for query in [
        "koln",
        "K\u{d6}LN",
        "zug k\u{f6}ln",
        "\"los\"",
        "12:30",
        "zug AND",
    ] {
        let expected = usize::from(query != "zug AND");
        assert_eq!(
            found(&mut ann, json!({"text": query})).len(),
            expected,
            "{query}"
        );
    }
    // A query is words, never the syntax of a database.
    for query in [
        "one-way",
        "it's",
        "ticket*)",
        "(ticket",
        "NEAR(ticket",
        "text:ticket OR",
    ] {
        let answer = search(&mut ann, json!({"text": query}));
        assert!(answer["items"].is_array(), "{query}: {answer}");
    }
    assert_eq!(found(&mut ann, json!({"text": "one-way"})).len(), 1);
    assert_eq!(found(&mut ann, json!({"text": "ticket*)"})).len(), 1);
    assert_eq!(found(&mut ann, json!({"text": "???"})).len(), 0);
    refused(
        &mut ann,
        json!({"type": "search", "text": "x".repeat(257)}),
        "too_long",
    );
}

#[test]
fn a_long_result_comes_in_pages_also_while_more_is_said() {
    const HITS: usize = 250;
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    for number in 0..HITS {
        ann.send("lobby", &format!("a needle, {number}"), &number.to_string());
        ann.send("lobby", "hay", "");
    }
    for number in 0..HITS {
        ann.acked(&number.to_string());
    }
    let mut texts = Vec::new();
    let mut ask = json!({"text": "needle"});
    let mut pages = 0;
    loop {
        let answer = search(&mut ann, ask.clone());
        texts.extend(texts_of(&answer));
        pages += 1;
        match answer["next"].as_str() {
            Some(next) => ask["next"] = next.into(),
            None => break,
        }
        // Later hits don't move the pages.
        send(&mut ann, "lobby", "a needle that came later");
    }
    assert!(pages > 1);
    let expected: Vec<String> = (0..HITS)
        .rev()
        .map(|number| format!("a needle, {number}"))
        .collect();
    assert_eq!(texts, expected);
    assert_eq!(texts.iter().collect::<HashSet<_>>().len(), HITS);
    refused(
        &mut ann,
        json!({"type": "search", "text": "needle", "next": "nonsense"}),
        "bad_request",
    );
}

fn search(client: &mut Client, mut ask: Value) -> Value {
    ask["type"] = "search".into();
    ask["ref"] = "search".into();
    client.tell(&ask);
    let answer = client.answer("search");
    assert_eq!(answer["type"], "search", "{answer}");
    answer
}

fn found(client: &mut Client, ask: Value) -> Vec<String> {
    texts_of(&search(client, ask))
}

fn texts_of(answer: &Value) -> Vec<String> {
    let items = answer["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    items
        .iter()
        .map(|item| item["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn send(client: &mut Client, room: &str, text: &str) -> Value {
    done(client, json!({"type": "send", "room": room, "text": text}))["seq"].clone()
}

fn done(client: &mut Client, mut line: Value) -> Value {
    line["ref"] = "done".into();
    client.tell(&line);
    client.acked("done")
}

fn refused(client: &mut Client, mut line: Value, code: &str) {
    line["ref"] = "refused".into();
    client.tell(&line);
    client.refused("refused", code);
}

use super::*;
use crate::model::HistoryFrom;

fn names(
    house: &mut House,
    link: LinkId,
    request: impl Fn(Option<String>) -> Request,
) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        house.ask(link, request(after));
        let (page, next) = match house.reply(link) {
            Answer::Rooms(items, next) => (
                items.iter().map(|item| item.name.to_string()).collect(),
                next,
            ),
            Answer::Members(items, next) => (
                items.iter().map(|item| item.account.to_string()).collect(),
                next,
            ),
            Answer::Who(items, next) => (
                items.iter().map(|item| item.account.to_string()).collect(),
                next,
            ),
            Answer::Conversations(items, next) => {
                (items.iter().map(|item| item.id.to_string()).collect(), next)
            }
            other => panic!("{other:?}"),
        };
        pages.push(page);
        after = next;
        if after.is_none() {
            return pages;
        }
    }
}

#[test]
fn lists_come_in_pages_without_holes_or_doubles() {
    let mut house = House::new();
    let ann = house.register("ann");
    for number in 0..limits::PAGE_ITEMS + 20 {
        house.create(ann, &format!("room{number:03}"), number % 2 == 0);
    }
    let bob = house.register("bob");
    house.room("hall", &[ann]);
    for number in 0..limits::PAGE_ITEMS {
        // Not faster than one address may register.
        house.wait(Duration::from_secs(1));
        let link = house.register(&format!("u{number:03}"));
        house.join(link, "hall");
    }
    let sizes = |pages: Vec<Vec<String>>| -> Vec<usize> {
        let all = pages.concat();
        assert!(all.is_sorted() && all.windows(2).all(|pair| pair[0] != pair[1]));
        pages.iter().map(Vec::len).collect()
    };
    let rooms = |after| Request::Rooms { after };
    assert_eq!(sizes(names(&mut house, ann, rooms)), [100, 21]);
    assert_eq!(sizes(names(&mut house, bob, rooms)), [61]);
    let mine = |after| Request::Conversations { after };
    assert_eq!(sizes(names(&mut house, ann, mine)), [100, 21]);
    let hall = |after| Request::Members {
        target: target("#hall"),
        after,
    };
    assert_eq!(sizes(names(&mut house, ann, hall)), [100, 1]);
    let who = |after| Request::Who { after };
    assert_eq!(sizes(names(&mut house, ann, who)), [100, 1]);
    assert_eq!(names(&mut house, bob, who), [["bob"]]);
    house.ask(bob, hall(None));
    assert_eq!(house.answered(bob), ["not_a_member"]);
}

#[test]
fn a_page_that_nobody_handed_out_is_empty_and_no_more() {
    let (mut house, ann) = alone();
    house.ask(
        ann,
        Request::Rooms {
            after: Some("x".repeat(1000)),
        },
    );
    house.ask(
        ann,
        Request::Who {
            after: Some("\u{10ffff}".into()),
        },
    );
    let search = Request::Search {
        target: None,
        text: "x".into(),
        after: Some("x".into()),
    };
    house.ask(ann, search);
    assert_eq!(
        house.answered(ann),
        ["Rooms([], None)", "Who([], None)", "bad_request"]
    );
}

#[test]
fn history_and_search_show_what_may_be_seen() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.create(ann, "club", false);
    house.say(ann, "#club", "secret one");
    house.change(ann, "club", Some("bob"), Change::Invited);
    let history = || Request::History {
        target: target("#club"),
        from: HistoryFrom::End,
        limit: u32::MAX,
    };
    let search = |target| Request::Search {
        target,
        text: "secret".into(),
        after: None,
    };
    house.ask(bob, history());
    house.ask(bob, search(Some(target("#club"))));
    house.ask(bob, search(None));
    let nothing = ["not_a_member", "not_a_member", "Search([], None)"];
    assert_eq!(house.answered(bob), nothing);
    house.join(bob, "club");
    house.say(ann, "#club", "secret two");
    house.mail.clear();
    house.ask(bob, search(None));
    let Answer::Search(entries, None) = house.reply(bob) else {
        panic!("no search");
    };
    let found: Vec<_> = entries.iter().map(entry_words).collect();
    assert_eq!(found, ["5 ann: secret two"]);
}

#[test]
fn a_failed_read_is_an_answer_too() {
    let (mut house, ann) = alone();
    house.store.bad_reads = 1;
    let history = Request::History {
        target: target("#lobby"),
        from: HistoryFrom::End,
        limit: 5,
    };
    house.ask(ann, history);
    assert_eq!(house.answered(ann), ["storage again"]);
}

#[test]
fn requests_at_once_are_bounded() {
    let (mut house, ann) = alone();
    house.hold_reads = true;
    for _ in 0..=limits::REQUESTS {
        let target = None;
        house.ask(
            ann,
            Request::Search {
                target,
                text: "x".into(),
                after: None,
            },
        );
    }
    assert_eq!(house.answered(ann), ["busy again"]);
    house.answer_reads();
    assert_eq!(house.answered(ann).len(), limits::REQUESTS);
    assert!(house.hub.pending.is_empty());
}

#[test]
fn an_unknown_command_is_named_but_not_repeated_at_length() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.mail.clear();
    let command = Request::Command {
        target: None,
        name: "x".repeat(50_000),
        args: String::new(),
    };
    house.ask(ann, command);
    let Some(ToClient::Error(_, refusal)) = house.mail(ann).pop() else {
        panic!("no refusal");
    };
    assert!(refusal.text.len() < 200);
}

#[test]
fn who_asks_for_lists_all_the_time_has_to_wait() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.mail.clear();
    for _ in 0..limits::LISTS_AT_ONCE {
        house.ask(ann, Request::Who { after: None });
    }
    assert!(!house.answered(ann).contains(&"busy again".to_owned()));
    house.ask(ann, Request::Who { after: None });
    assert_eq!(house.answered(ann), ["busy again"]);
    house.wait(limits::LIST_EVERY);
    house.ask(ann, Request::Who { after: None });
    assert_ne!(house.answered(ann), ["busy again"]);
}

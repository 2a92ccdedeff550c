//! Files are asked about when they are offered, when they are there, and as entries.

use super::*;

impl House {
    /// Finishes the upload that was asked for last.
    fn finish_last(&mut self, link: LinkId) {
        self.finish(link, RequestId(self.requests));
    }
}

#[test]
fn a_file_is_asked_about_before_its_first_byte_when_it_is_there_and_as_an_entry() {
    let (mut house, ann, bob) = lobby_with(HookSet::FILE | HookSet::ENTRY);
    let id = house.new_id();
    house.upload(ann, "#lobby", id, 10);
    assert_eq!(house.asked(), ["ann offers a.txt in #lobby"]);
    assert!(house.done().is_empty(), "nothing was taken so far");
    house.rule(0, Verdict::Modified("b.txt".into()));
    assert!(matches!(house.reply(ann), Answer::Uploading(_)));
    house.finish_last(ann);
    assert_eq!(house.asked(), ["ann has sent b.txt in #lobby"]);
    house.pass(0);
    assert_eq!(house.asked(), ["ann in #lobby: kind 2 \"b.txt\""]);
    assert!(house.heard(bob).is_empty());
    house.rule(0, Verdict::Modified("c.txt".into()));
    let mail = house.mail(bob);
    let [ToClient::Entry(entry)] = &mail[..] else {
        panic!("{mail:?}");
    };
    assert!(matches!(entry.body.content(), Content::File(offer) if offer.name == "c.txt"));
    assert_eq!(house.answered(ann), ["entered 3"]);
}

#[test]
fn a_file_that_nobody_wants_leaves_nothing_behind() {
    let (mut house, ann, bob) = lobby_with(HookSet::FILE | HookSet::ENTRY);
    let id = house.new_id();
    house.upload(ann, "#lobby", id, 10);
    house.reject(0, "no files here");
    assert_eq!(house.why(ann), "no files here");
    assert!(house.done().is_empty());
    // The same id, and this time it is refused when it is there.
    house.upload(ann, "#lobby", id, 10);
    house.pass(0);
    house.mail(ann);
    house.finish_last(ann);
    house.pass(0);
    house.reject(0, "no such file");
    assert_eq!(house.why(ann), "no such file");
    assert!(house.done().contains(&"remove".to_owned()));
    assert!(house.heard(bob).is_empty());
}

#[test]
fn a_bad_file_name_of_a_plugin_is_refused() {
    let (mut house, ann, _) = lobby_with(HookSet::FILE);
    for name in [&b"../x"[..], b"", &[0xff]] {
        let id = house.new_id();
        house.upload(ann, "#lobby", id, 10);
        house.rule(0, Verdict::Modified(name.to_vec()));
        assert_eq!(house.answered(ann), ["rejected"]);
    }
}

#[test]
fn who_is_put_out_while_its_file_is_judged_sends_none() {
    let (mut house, ann, bob) = lobby_with(HookSet::FILE);
    let id = house.new_id();
    house.upload(bob, "#lobby", id, 10);
    house.pass(0);
    house.mail(bob);
    house.finish_last(bob);
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.pass(0);
    assert!(house.answered(bob).contains(&"not_a_member".to_owned()));
}

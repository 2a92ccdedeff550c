//! Files arrive whole or not at all, whatever dies, changes or is full.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chat_tests::{Client, Device, Direction, Proxy, Server, hash_of, is_long, write_content};
use serde_json::{Value, json};
use tempfile::TempDir;

const MIB: u64 = 1024 * 1024;
/// What may be under way of one transfer.
const WINDOW: u64 = chat_engine::limits::TRANSFER_WINDOW as u64;

/// A folder with a file of as good as random content.
fn file(size: u64) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder for the test");
    let path = folder.path().join("a.bin");
    write_content(&path, size, size);
    (folder, path)
}

/// The conversation goes on.
fn still_talks(ann: &mut Client, bob: &Client) {
    ann.send("lobby", "still here", "talk");
    ann.acked("talk");
    bob.expect("talk", |line| {
        line["type"] == "message" && line["text"] == "still here"
    });
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Sender,
    Receiver,
    Server,
}

/// The file is fetched while it is sent, and each of the three is killed in turn, at random points.
#[test]
fn a_transfer_goes_on_where_it_was_whoever_is_killed() {
    let (size, kills) = match is_long() {
        true => (1024 * MIB, 50),
        false => (24 * MIB, 6),
    };
    let (folder, path) = file(size);
    let mut server = Server::start();
    let up = Proxy::forgetful_before(server.address());
    let down = Proxy::forgetful_before(server.address());
    let [ann_device, bob_device] = [("ann", &up), ("bob", &down)].map(|(name, proxy)| {
        Device::new(&server, name)
            .at(proxy.address())
            .with("--longest-pause")
            .with("50ms")
    });
    let mut ann = ann_device.login();
    let mut bob = bob_device.login();
    let target = folder.path().join("fetched");
    ann.send_file("lobby", &path, "up");
    let blob = bob.expect_type("incoming")["blob"].clone();
    bob.fetch(&blob, &target, "down");
    bob.expect_type("queued");

    let mut rng = fastrand::Rng::with_seed(5);
    let step = size / (kills + 1);
    let mut sent = None;
    for (number, victim) in (0..kills).zip(
        [Victim::Sender, Victim::Receiver, Victim::Server]
            .into_iter()
            .cycle(),
    ) {
        let (proxy, way) = match victim {
            Victim::Receiver => (&down, Direction::Down),
            Victim::Sender | Victim::Server => (&up, Direction::Up),
        };
        let point = number * step + rng.u64(0..step);
        let came = proxy.wait_passed(way, point, Duration::from_secs(60));
        assert!(
            came,
            "{number}: {victim:?} never got to {point}, {way:?} at {}",
            proxy.passed(way)
        );
        match victim {
            Victim::Sender => {
                // On a busy machine the kills come late: it may have told already, and tells once.
                let told = |line: &Value| line["ref"] == "up" && line["type"] == "ack";
                sent = sent.or_else(|| ann.find(told));
                ann.process().kill();
                ann = ann_device.login();
            }
            Victim::Receiver => {
                bob.process().kill();
                bob = bob_device.login();
            }
            Victim::Server => {
                server.kill();
                server.restart();
            }
        }
    }
    let sent = sent.unwrap_or_else(|| ann.transferred("up"));
    let fetched = bob.transferred("down");
    assert_eq!(fetched["hash"], hash_of(&path));
    assert_eq!(hash_of(&target), hash_of(&path));
    assert!(sent["seq"].as_u64() > Some(0));
    bob.tell(&json!({"type": "history", "room": "lobby", "ref": "all"}));
    let all = bob.answer("all");
    let files = all["items"].as_array().unwrap().iter();
    assert_eq!(files.filter(|item| item["type"] == "file").count(), 1);
    assert_eq!((ann.leave(), bob.leave()), (0, 0));

    let most = size + size / 10 + kills * 2 * WINDOW;
    for (proxy, way) in [(&up, Direction::Up), (&down, Direction::Down)] {
        let passed = proxy.passed(way);
        eprintln!(
            "{way:?}: {passed} bytes for {size}, {:.4}",
            passed as f64 / size as f64
        );
        assert!(passed < most, "{way:?}: {passed} bytes for {size}");
    }
}

#[test]
fn a_large_sparse_file_arrives_in_little_memory() {
    let size = match is_long() {
        true => 5 * 1024 * MIB,
        false => 48 * MIB,
    };
    let folder = TempDir::new().expect("a folder for the test");
    let path = folder.path().join("sparse.bin");
    let source = fs::File::create(&path).unwrap();
    source.set_len(size).unwrap();
    source.write_all_at(b"the end", size - 7).unwrap();
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    still_talks(&mut ann, &bob);
    let pids = [
        server.process().pid(),
        ann.process().pid(),
        bob.process().pid(),
    ];
    let idle = pids.map(peak);
    ann.send_file("lobby", &path, "up");
    ann.transferred("up");
    let offer = bob.offer();
    let target = folder.path().join("fetched");
    bob.fetch(&offer["blob"], &target, "down");
    bob.transferred("down");
    assert_eq!(fs::metadata(&target).unwrap().len(), size);
    assert_eq!(hash_of(&target), offer["hash"].as_str().unwrap());
    for (name, (pid, idle)) in ["server", "sender", "receiver"]
        .iter()
        .zip(pids.into_iter().zip(idle))
    {
        let more = peak(pid).saturating_sub(idle);
        eprintln!("{name}: {more} bytes above idle");
        assert!(more < 64 * MIB, "{name}: {more} bytes above idle");
    }
}

/// Most memory that a process ever had.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .expect("this system tells")
        .trim()
        .trim_end_matches(" kB");
    kib.trim().parse::<u64>().expect("a number") * 1024
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_not_offered() {
    let server = Server::start();
    let proxy = Proxy::forgetful_before(server.address());
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    let bob = Device::new(&server, "bob").login();
    let changes: [fn(&fs::File); 3] = [
        |file| file.set_len(100).unwrap(),
        |file| file.set_len(9 * MIB).unwrap(),
        |file| file.write_all_at(b"x", 3 * MIB).unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let (_folder, path) = file(4 * MIB + number as u64);
        proxy.stall_after(Direction::Up, 2 * MIB as usize);
        ann.send_file("lobby", &path, "up");
        proxy.expect_stall();
        change(&OpenOptions::new().write(true).open(&path).unwrap());
        proxy.resume();
        let answer = ann.refused("up", "local_file");
        assert!(
            answer["message"].as_str().unwrap().contains("changed"),
            "{answer}"
        );
        bob.expect("the end of it", |line| {
            line["type"] == "incoming" && line["over"] == true
        });
        still_talks(&mut ann, &bob);
    }
    assert!(bob.find(|line| line["type"] == "file").is_none());
}

#[test]
fn a_file_that_is_damaged_on_the_server_is_not_handed_out_as_whole() {
    let server = Server::start();
    let (folder, path) = file(3 * MIB);
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    ann.send_file("lobby", &path, "up");
    ann.acked("up");
    let offer = bob.offer();
    let stored = largest_below(&server.data().join("blobs"));
    assert_eq!(fs::metadata(&stored).unwrap().len(), 3 * MIB);
    let stored = OpenOptions::new()
        .read(true)
        .write(true)
        .open(stored)
        .unwrap();
    let mut byte = [0];
    stored.read_exact_at(&mut byte, 2 * MIB).unwrap();
    stored.write_all_at(&[byte[0] ^ 1], 2 * MIB).unwrap();

    let target = folder.path().join("fetched");
    bob.fetch(&offer["blob"], &target, "down");
    bob.refused("down", "damaged");
    still_talks(&mut ann, &bob);
    assert_eq!(bob.leave(), 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

fn largest_below(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    let mut largest = (0, PathBuf::new());
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            let metadata = item.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(item.path());
            } else if item.path().extension().is_none_or(|end| end != "db") {
                largest = largest.max((metadata.len(), item.path()));
            }
        }
    }
    largest.1
}

/// A program that runs another one with a small disk at this path; nothing where this system does not
/// let us.
fn with_small_disk(path: &Path, size: &str) -> Option<Vec<String>> {
    let script = format!(
        "mkdir -p '{0}' && mount -t tmpfs -o size={size} small '{0}' && exec \"$@\"",
        path.display()
    );
    let program = ["unshare", "-rm", "sh", "-c", &script, "sh"];
    let works = Command::new(program[0])
        .args(&program[1..])
        .arg("true")
        .current_dir(std::env::temp_dir())
        .output()
        .is_ok_and(|ran| ran.status.success());
    if !works {
        eprintln!("skipped: this system does not let us mount (unshare)");
    }
    works.then(|| program.map(str::to_owned).to_vec())
}

#[test]
fn a_receiver_without_room_is_told_at_once() {
    let (folder, path) = file(4 * MIB);
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let Some(program) = with_small_disk(&small, "1m") else {
        return;
    };
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").under(&program).login();
    ann.send_file("lobby", &path, "up");
    ann.acked("up");
    let offer = bob.offer();
    bob.fetch(&offer["blob"], &small, "down");
    let answer = bob.refused("down", "local_file");
    assert!(
        answer["message"].as_str().unwrap().contains("no room"),
        "{answer}"
    );
    still_talks(&mut ann, &bob);
    // What was there is gone, so a smaller one fits.
    let (_small_folder, path) = file(900 * 1024);
    ann.send_file("lobby", &path, "up");
    ann.acked("up");
    bob.fetch(&bob.offer()["blob"], &small, "down");
    bob.acked("down");
}

#[test]
fn a_server_without_room_says_so_before_the_first_byte() {
    let (_folder, path) = file(40 * MIB);
    // Below the working directory, where the server has its data.
    let Some(program) = with_small_disk(Path::new("data"), "24m") else {
        return;
    };
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    let server = Server::start_under(&program, &[]);
    let proxy = Proxy::forgetful_before(server.address());
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    let bob = Device::new(&server, "bob").login();
    ann.send_file("lobby", &path, "up");
    ann.refused("up", "storage");
    still_talks(&mut ann, &bob);
    assert!(proxy.passed(Direction::Up) < MIB);
}

#[test]
fn quotas_sizes_and_types_are_refused_before_the_first_byte() {
    let server = Server::start_with(&[
        "--max-file",
        "2M",
        "--file-quota",
        "3M",
        "--refuse-type",
        "video/*",
        "--refuse-type",
        "application/pdf",
    ]);
    let proxy = Proxy::forgetful_before(server.address());
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    let bob = Device::new(&server, "bob").login();
    let (_big_folder, big) = file(2 * MIB + 1);
    let (_folder, path) = file(2 * MIB);
    ann.send_file("lobby", &big, "up");
    ann.refused("up", "too_big");
    for (name, media_type) in [("a.mp4", "video/mp4"), ("a.PDF", "application/pdf")] {
        let named = path.with_file_name(name);
        fs::rename(&path, &named).expect("it gets another name");
        ann.send_file("lobby", &named, name);
        let refused = ann.refused(name, "bad_type");
        let text = refused["message"].as_str().expect("a reason");
        assert!(text.contains(media_type), "{text}");
        fs::rename(&named, &path).expect("it gets its name back");
    }
    assert!(proxy.passed(Direction::Up) < MIB);
    still_talks(&mut ann, &bob);
    ann.send_file("lobby", &path, "up");
    ann.acked("up");
    assert_eq!(bob.offer()["name"], "a.bin", "and nothing before it");
    let passed = proxy.passed(Direction::Up);
    let (_other_folder, other) = file(2 * MIB - 1);
    ann.send_file("lobby", &other, "up");
    ann.refused("up", "quota");
    assert!(proxy.passed(Direction::Up) < passed + MIB);
    still_talks(&mut ann, &bob);
}

#[test]
fn an_upload_that_was_interrupted_is_finished_by_the_next_start() {
    let server = Server::start();
    let proxy = Proxy::forgetful_before(server.address());
    let device = Device::new(&server, "ann").at(proxy.address());
    let bob = Device::new(&server, "bob").login();
    let (_folder, path) = file(4 * MIB);
    let mut ann = device.login();
    proxy.stall_after(Direction::Up, 3 * MIB as usize);
    ann.send_file("lobby", &path, "up");
    let queued = ann.expect_type("queued");
    proxy.expect_stall();
    ann.tell(&json!({"type": "quit"}));
    let pending = ann.expect_type("pending");
    assert_eq!(
        (&pending["ref"], &pending["id"]),
        (&json!("up"), &queued["id"])
    );
    proxy.resume();
    ann.ends();

    let before = proxy.passed(Direction::Up);
    let mut ann = device.login();
    let ack = ann.acked("up");
    assert_eq!((&ack["earlier"], &ack["id"]), (&json!(true), &queued["id"]));
    let offer: Value = bob.offer();
    assert_eq!(offer["hash"], hash_of(&path));
    let more = proxy.passed(Direction::Up) - before;
    assert!(more < 3 * MIB, "{more} bytes were sent again");
    assert_eq!(ann.leave(), 0);
}

"""What `make install` puts down, and that programs can be built with it in every usual way.

Needs a library that `make` built before; `tests/run --only packaging` does it all.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import header

ROOT = header.ROOT
HERE = ROOT / "tests/packaging"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROFILE = os.environ.get("PROFILE", "release")
OUT = TARGET / {"dev": "debug"}.get(PROFILE, PROFILE)
VERSION = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
# Functions of the other direction: what the library calls is not its interface.
SYMBOLS = (ROOT / "ffi/symbols.txt").read_text().split()


def run(*command, cwd=None, environment=None, check=True):
    """Runs a command. What it printed belongs to the failure, or it can't be understood."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **(environment or {})},
        capture_output=True, text=True, timeout=300,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def make(*arguments, environment=None):
    # The library is built already: cargo would only look whether it is.
    return run("make", "--silent", "-C", ROOT, f"PROFILE={PROFILE}", *arguments, environment=environment)


class Staged(unittest.TestCase):
    """A prefix of its own, as a user without rights would have it, and a stage, as a packager has it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="chat-packaging-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.prefix, cls.stage = cls.folder / "prefix", cls.folder / "stage"
        # Instead of the real one, which would change this machine: it writes down that it was called.
        cls.tools = cls.folder / "tools"
        cls.tools.mkdir()
        ldconfig = cls.tools / "ldconfig"
        ldconfig.write_text(f"#!/bin/sh\necho called >> {cls.folder}/ldconfig.log\n")
        ldconfig.chmod(0o755)
        cls.path = {"PATH": f"{cls.tools}:{os.environ['PATH']}"}
        make("install", f"PREFIX={cls.prefix}", environment=cls.path)
        cls.called = (cls.folder / "ldconfig.log").read_text()
        # As Debian names its folders for libraries; elsewhere this is empty.
        cls.lib = "usr/lib/" + run("gcc", "-print-multiarch").stdout.strip()
        cls.staged = [f"DESTDIR={cls.stage}", "PREFIX=/usr", f"LIBDIR=/{cls.lib.rstrip('/')}"]
        make("install", *cls.staged, environment=cls.path)
        cls.found = {
            "PKG_CONFIG_PATH": f"{cls.prefix}/lib/pkgconfig",
            "LD_LIBRARY_PATH": f"{cls.prefix}/lib",
            "CMAKE_PREFIX_PATH": str(cls.prefix),
        }

    def flags(self, *words):
        return run("pkg-config", *words, "chat", environment=self.found).stdout.split()

    def check(self, program, *expected, environment=None):
        """Runs a host program, which has to say these things."""
        with tempfile.TemporaryDirectory() as data:
            output = run(program, pathlib.Path(data) / "data", environment=environment).stdout
        for text in (f"chat {VERSION} said it at place ", *expected):
            self.assertIn(text, output)


class Install(Staged):
    def test_the_files_are_these(self):
        files = sorted(str(path.relative_to(self.stage)) for path in self.stage.rglob("*") if not path.is_dir())
        headers = ["usr/include/chat.h", "usr/include/chat.hpp", "usr/include/chat_plugin.h"]
        lib = self.lib
        self.assertEqual(files, sorted(headers + [
            f"{lib}/cmake/chat/chat-config-version.cmake", f"{lib}/cmake/chat/chat-config.cmake",
            f"{lib}/libchat.a", f"{lib}/libchat.so", f"{lib}/libchat.so.0", f"{lib}/libchat.so.{VERSION}",
            f"{lib}/pkgconfig/chat.pc", "usr/share/chat/python/chat.py", "usr/share/man/man3/libchat.3",
        ]))
        self.assertEqual(os.readlink(self.stage / lib / "libchat.so"), "libchat.so.0")
        self.assertEqual(os.readlink(self.stage / lib / "libchat.so.0"), f"libchat.so.{VERSION}")
        for file in files:
            text = (self.stage / file).read_bytes()
            if not file.endswith((".a", ".so", ".0", VERSION)):
                self.assertNotIn(str(self.folder).encode(), text, file)
                self.assertNotRegex(text.decode(), r"@[A-Z]+@", file)

    def test_the_loader_is_told_only_without_a_stage(self):
        self.assertEqual(self.called, "called\n")
        self.assertEqual((self.folder / "ldconfig.log").read_text(), "called\n")

    def test_uninstall_leaves_nothing(self):
        stage = self.folder / "again"
        place = [f"DESTDIR={stage}", "PREFIX=/opt/chat"]
        make("install", *place, environment=self.path)
        self.assertTrue((stage / "opt/chat/include/chat.h").exists())
        make("uninstall", *place, environment=self.path)
        self.assertEqual([path for path in stage.rglob("*") if not path.is_dir()], [])

    def test_the_soname_and_the_flags_of_the_library(self):
        dynamic = run("readelf", "-dW", self.prefix / "lib/libchat.so").stdout
        self.assertIn("soname: [libchat.so.0]", dynamic)
        self.assertIn("NODELETE", dynamic)
        needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
        allowed = r"libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|libpthread\.so\.0|libdl\.so\.2|ld-linux.*"
        self.assertEqual([name for name in needed if not re.fullmatch(allowed, name)], [])

    @unittest.skipIf(PROFILE == "dev", "what is not optimized is not small")
    def test_the_library_is_small(self):
        """README.md promises it to those who put it into their programs."""
        make("install-strip", f"DESTDIR={self.folder}/small", "PREFIX=/usr", environment=self.path)
        size = (self.folder / "small/usr/lib/libchat.so").stat().st_size
        self.assertLess(size, 6_000_000, "PERFORMANCE.md says what is in it")

    def test_the_manual_page_is_one(self):
        page = self.prefix / "share/man/man3/libchat.3"
        if shutil.which("man"):
            self.assertIn("chat_client_next_event", run("man", "-P", "cat", "-l", page).stdout)
        self.assertIn(VERSION, page.read_text())


class Symbols(Staged):
    def test_header_list_and_library_agree(self):
        declared = sorted("chat_" + name for _, name, _ in header.functions())
        self.assertEqual(declared, SYMBOLS, "ffi/symbols.txt lists what chat.h declares")
        listed = run("nm", "-D", "--defined-only", self.prefix / "lib/libchat.so").stdout
        exported = sorted(line.split()[-1] for line in listed.splitlines())
        self.assertEqual(exported, SYMBOLS, "libchat.so exports these and nothing else")

    def test_the_archive_has_no_other_names(self):
        archive = self.prefix / "lib/libchat.a"
        self.assertEqual(run("ar", "t", archive).stdout.split(), ["chat.o"])
        listed = run("nm", "-g", "--defined-only", archive).stdout
        names = sorted(line.split()[-1] for line in listed.splitlines() if len(line.split()) == 3)
        self.assertEqual(names, SYMBOLS)

    @unittest.skipUnless(shutil.which("abidiff"), "abidiff is not installed")
    @unittest.skipUnless(PROFILE == "release", "only this profile keeps the types in the library")
    def test_the_binary_interface_is_the_one_that_was_written_down(self):
        options = (ROOT / "packaging/abidw.options").read_text().split()
        now = self.folder / "now.abi"
        run("abidw", *options, "--out-file", now, OUT / "libchat.so", cwd=ROOT)
        difference = run("abidiff", "--no-added-syms", ROOT / "ffi/libchat.abi", now, check=False)
        self.assertEqual(
            difference.returncode, 0,
            "programs that were compiled before may break. Where that can't be, `make abi` writes the new "
            f"interface down.\n{difference.stdout}{difference.stderr}",
        )


class Linked(Staged):
    def compile(self, name, *arguments, compiler="gcc"):
        program = self.folder / name
        run(compiler, "-Wall", "-Wextra", "-Werror", HERE / "probe.c", "-o", program, *arguments)
        return program

    def static(self):
        """What a static link takes, all from pkg-config; only the name says which library is meant."""
        return [{"-lchat": "-l:libchat.a"}.get(word, word) for word in self.flags("--static", "--cflags", "--libs")]

    def test_pkg_config(self):
        program = self.compile("shared", *self.flags("--cflags", "--libs"))
        self.check(program, environment=self.found)

    def test_pkg_config_of_a_stage(self):
        found = {
            "PKG_CONFIG_LIBDIR": f"{self.stage}/{self.lib}/pkgconfig",
            "PKG_CONFIG_SYSROOT_DIR": str(self.stage),
        }
        flags = run("pkg-config", "--cflags", "--libs", "chat", environment=found).stdout.split()
        program = self.compile("staged", *flags)
        self.check(program, environment={"LD_LIBRARY_PATH": f"{self.stage}/{self.lib}"})

    def test_the_build_tree_runs(self):
        found = {"PKG_CONFIG_PATH": str(OUT / "capi/pkgconfig")}
        flags = run("pkg-config", "--cflags", "--libs", "chat", environment=found).stdout.split()
        self.check(self.compile("tree", *flags))

    def test_statically(self):
        program = self.compile("static", *self.static())
        self.assertNotIn("libchat", run("ldd", program).stdout)
        self.check(program)

    def test_with_every_linker(self):
        for linker in ("bfd", "gold", "lld", "mold"):
            command = "ld." + linker if linker != "mold" else "mold"
            if shutil.which(command):
                with self.subTest(linker):
                    flag = f"-fuse-ld={linker}"
                    self.check(self.compile("static-" + linker, flag, "-Wl,--gc-sections", *self.static()))

    def test_the_library_uses_its_own_sqlite(self):
        own = ["-DHOST_HAS_SQLITE"]
        self.check(self.compile("own-static", *own, *self.static()))
        shared = self.compile("own-shared", *own, "-rdynamic", *self.flags("--cflags", "--libs"))
        self.check(shared, environment=self.found)

    def test_beside_the_sqlite_of_the_system(self):
        try:
            sqlite = run("pkg-config", "--cflags", "--libs", "sqlite3").stdout.split()
        except AssertionError:
            self.skipTest("libsqlite3-dev is not installed")
        version = run("pkg-config", "--modversion", "sqlite3").stdout.strip()
        for order in (sqlite + self.static(), self.static() + sqlite):
            program = self.compile("sqlite", "-DHOST_LINKS_SQLITE", *order)
            self.check(program, f"the host's SQLite is {version}")

    def test_beside_another_rust_library(self):
        second = self.folder / "libsecond.a"
        run("rustc", "--edition=2024", "--crate-type=staticlib", "-Cpanic=unwind", HERE / "second.rs", "-o", second)
        for order in ([second, *self.static()], [*self.static(), second]):
            program = self.compile("rust", "-DHOST_HAS_RUST", *order, "-lgcc_s", "-lpthread", "-ldl", "-lm")
            self.check(program, "the other library says 42")

    def test_cmake(self):
        project = self.folder / "cmake"
        project.mkdir(exist_ok=True)
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.16)\nproject(probe C)\nfind_package(chat 0.1 CONFIG REQUIRED)\n"
            "find_package(chat 0.1 CONFIG REQUIRED) # twice, as in a project with parts\n"
            f"add_executable(shared {HERE}/probe.c)\ntarget_link_libraries(shared PRIVATE chat::chat)\n"
            f"add_executable(static {HERE}/probe.c)\ntarget_link_libraries(static PRIVATE chat::static)\n"
        )
        moved = self.folder / "moved"
        shutil.copytree(self.stage / "usr", moved, symlinks=True)
        for name, prefix in (("prefix", self.prefix), ("moved", moved)):
            with self.subTest(name):
                built = self.folder / f"cmake-{name}"
                run("cmake", "-S", project, "-B", built, f"-DCMAKE_PREFIX_PATH={prefix}")
                run("cmake", "--build", built)
                # CMake writes the path of the library into programs of a build tree.
                self.check(built / "shared")
                self.check(built / "static")

    def test_cmake_refuses_another_version(self):
        project = self.folder / "cmake-wrong"
        project.mkdir()
        for wanted in ("0.9", "1.0"):
            (project / "CMakeLists.txt").write_text(
                f"cmake_minimum_required(VERSION 3.16)\nproject(probe C)\nfind_package(chat {wanted} CONFIG REQUIRED)\n"
            )
            result = run("cmake", "-S", project, "-B", project / "b", f"-DCMAKE_PREFIX_PATH={self.prefix}", check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(f"version: {VERSION}", result.stderr)

    def test_meson(self):
        if not shutil.which("meson"):
            self.skipTest("meson is not installed")
        project = self.folder / "meson"
        project.mkdir()
        shutil.copy(HERE / "probe.c", project)
        (project / "meson.build").write_text(
            "project('probe', 'c')\n"
            f"chat = dependency('chat', version: '>={VERSION}')\n"
            "executable('shared', 'probe.c', dependencies: chat)\n"
        )
        run("meson", "setup", "built", cwd=project, environment=self.found)
        run("meson", "compile", "-C", "built", cwd=project)
        self.check(project / "built/shared", environment=self.found)

    def test_a_program_of_an_older_header(self):
        """One option and one function fewer: as if this header had come later."""
        older = self.folder / "older"
        older.mkdir()
        text = header.HEADER.read_text()
        for cut in (r"  uint32_t request_timeout_ms;\n.*?  uint32_t reserved;\n", r"CHAT_API\s+chat_status chat_server_backup\([^;]*;"):
            text, count = re.subn(cut, "", text, count=1, flags=re.S)
            self.assertEqual(count, 1, cut)
        (older / "chat.h").write_text(text)
        (older / "chat_plugin.h").write_text((header.HEADER.parent / "chat_plugin.h").read_text())
        program = self.compile("older-program", f"-I{older}", *self.flags("--libs"))
        self.check(program, environment=self.found)


class OtherLanguages(Staged):
    """chat.hpp and chat.py say the same as chat.h."""

    def test_chat_hpp_has_everything(self):
        text = (ROOT / "include/chat.hpp").read_text()
        missing = [name for name in SYMBOLS if not re.search(rf"\b{name}\b", text)]
        self.assertEqual(missing, [])

    def test_headers_compile_in_every_standard(self):
        source = self.folder / "standard.cpp"
        source.write_text(
            "#include <chat.hpp>\n"
            "int main() { chat::client_options options; auto client = chat::client::open(options);\n"
            "for (const chat::event &event : *client) if (event.items().empty()) return 1;\n"
            "auto server = chat::server::open(); return client && server && server->stats()->links == 0; }\n"
        )
        plain = self.folder / "standard.c"
        plain.write_text("#include <chat.h>\nint main(void) { return chat_version() == NULL; }\n")
        both = []
        for number, names in enumerate((("chat.h", "chat_plugin.h"), ("chat_plugin.h", "chat.h"))):
            both.append(self.folder / f"both{number}.c")
            both[-1].write_text("".join(f"#include <{name}>\n" for name in names) + "int main(void) { return CHAT_OK; }\n")
        strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", f"-I{self.prefix}/include", "-fsyntax-only"]
        for compilers, file, standards, more in (
            (("gcc", "clang"), plain, ("c99", "c11", "c17"), ["-Wstrict-prototypes", "-Wmissing-prototypes"]),
            (("gcc", "clang"), both[0], ("c99", "c17"), ["-Wstrict-prototypes"]),
            (("gcc", "clang"), both[1], ("c99", "c17"), ["-Wstrict-prototypes"]),
            (("g++", "clang++"), both[0], ("c++11", "c++20"), ["-xc++"]),
            (("g++", "clang++"), both[1], ("c++11", "c++20"), ["-xc++"]),
            (("g++", "clang++"), source, ("c++11", "c++17", "c++20"), ["-Wold-style-cast", "-Wshadow"]),
            (("g++", "clang++"), source, ("c++11", "c++17", "c++20"), ["-fno-exceptions", "-fno-rtti"]),
        ):
            for compiler in filter(shutil.which, compilers):
                for standard in standards:
                    with self.subTest(f"{compiler} {standard} {more[0]}"):
                        run(compiler, f"-std={standard}", *strict, *more, file)

    def test_chat_py_declares_what_the_header_does(self):
        chat = self.python("import json, chat; print(json.dumps([chat._FUNCTIONS, chat._CONSTANTS]))")
        functions, constants = json.loads(chat)
        declared = [(result, name, arguments) for result, name, *arguments in map(str.split, functions.strip().split("\n"))]
        self.assertEqual(sorted(declared), sorted(header.functions()))
        self.assertEqual({n: int(v) for n, v in (w.split("=") for w in constants.split())},
                         {n: v for n, v in header.constants().items() if n != "VERSION_NUMBER"})
        methods = self.python("import json, chat; print(json.dumps([dir(chat.Client), dir(chat.Server), dir(chat.Event), dir(chat)]))")
        client, server, event, module = json.loads(methods)
        for _, name, _ in header.functions():
            kind, _, verb = name.partition("_")
            verb = {"fd": "fileno", "from": "sender", "get_type": "type", "get_stats": "stats", "to_json": "json", "item": "items",
                    "send_file_with": "send_file"}.get(verb, verb)
            if verb.endswith(("_init", "_len")) or verb in ("new", "item_count") or kind in ("status", "string", "send") or name == "last_error":
                continue
            if kind == "event" and verb == "free":
                continue
            where = {"client": client, "server": server, "event": event}.get(kind, module)
            self.assertIn(verb if where is not module else name, where)

    def test_chat_py_lays_structs_out_like_the_compiler(self):
        structs = {"ClientOptions": "chat_client_options", "SendOptions": "chat_send_options",
                   "ServerOptions": "chat_server_options", "ServerStats": "chat_server_stats"}
        python = json.loads(self.python(
            "import ctypes, json, chat\n"
            f"print(json.dumps({{n: [ctypes.sizeof(getattr(chat, n)), [[f[0], getattr(getattr(chat, n), f[0]).offset] "
            f"for f in getattr(chat, n)._fields_]] for n in {list(structs)}}}))"
        ))
        lines = []
        for name, struct in structs.items():
            lines.append(f'printf("{name} %zu\\n", sizeof({struct}));')
            body = re.search(rf"typedef struct {struct} {{(.*?)}} {struct};", header.HEADER.read_text(), re.S).group(1)
            fields = re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", body, flags=re.S))
            lines += [f'printf("{name}.{field} %zu\\n", offsetof({struct}, {field}));' for field in fields]
        source = self.folder / "layout.c"
        source.write_text("#include <chat.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n")
        run("gcc", source, "-o", self.folder / "layout", f"-I{self.prefix}/include")
        compiled = dict(line.split() for line in run(self.folder / "layout").stdout.splitlines())
        described = {}
        for name, (size, fields) in python.items():
            described[name] = str(size)
            described.update({f"{name}.{field}": str(offset) for field, offset in fields})
        self.assertEqual(described, compiled)

    def python(self, script):
        folder = run("pkg-config", "--variable=pythondir", "chat", environment=self.found).stdout.strip()
        # Where it was installed it finds the library by itself.
        return run(sys.executable, "-c", script, environment={"PYTHONPATH": folder}).stdout


if __name__ == "__main__":
    unittest.main()

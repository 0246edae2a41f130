#!/usr/bin/env python3
"""Builds a wheel of the package 'anytime-nas' with the program 'anytime' in it, which needs no Swift and no libtorch.

    ./anytime wheel

All but the C library is linked statically: Swift's standard library and Foundation, GSL, SQLite, zlib and libstdc++. On
x86-64, functions that have newer versions in this machine's C library than in Debian 11's are taken in their older
ones, so that the program runs on both. The wheel's tag is read from the symbols that the program needs. Equal programs
make equal wheels, byte by byte.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
#: The C library of Debian 11.
OLDEST = (2, 31)
#: What GSL's, SQLite's and zlib's packages of Debian say about their licences, and libstdc++'s.
DEBIAN = ["libgsl-dev", "libsqlite3-dev", "zlib1g-dev"]
ARCHIVES = ["libgsl.a", "libgslcblas.a", "libsqlite3.a", "libz.a", "libstdc++.a"]
#: What Package.swift asks of pkg-config.
PACKAGES = ["gsl", "zlib"]
#: Parts of the C library, and what loads programs: all that the program may need.
SYSTEM = re.compile(r"lib(c|m|dl|pthread|rt)\.so\.\d|ld-linux-[\w-]+\.so\.\d")
#: The earliest time that a zip archive can tell.
TIME = (1980, 1, 1, 0, 0, 0)


def fail(sentence):
    sys.exit(f"anytime: {sentence}")


def output(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def version():
    """The version of the program, which the Python package has to have too."""
    text = (ROOT / "Sources/Anytime/Version.swift").read_text()
    return re.search(r'anytimeVersion = "([^"]+)"', text)[1]


# The program


def library(name):
    """The path of a library that the linker would take."""
    path = pathlib.Path(output("clang", f"-print-file-name={name}").strip())
    if not path.is_absolute():
        fail(f"there is no {name}; './anytime wheel' installs the packages that have it")
    return path


def swift_build(scratch, archives, jobs, linked=()):
    """Builds the program with what is in the folder of archives, and with more words for the linker; its path."""
    linker = [part for word in linked for part in ("-Xlinker", str(word))]
    words = [
        "swift", "build", "-c", "release", "--product", "anytime", "--scratch-path", scratch,
        "-debug-info-format", "none", "--static-swift-stdlib", "-Xswiftc", f"-L{archives}",
        "-Xswiftc", "-Xclang-linker", "-Xswiftc", "-static-libgcc", *(["--jobs", str(jobs)] if jobs else []), *linker,
    ]
    environment = {**os.environ, "ANYTIME_LIBTORCH": "none", "PKG_CONFIG_PATH": str(archives)}
    subprocess.run(words, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
    return pathlib.Path(output(*words, "--show-bin-path", cwd=ROOT, env=environment).strip()) / "anytime"


def symbols(path):
    """Name and glibc version (of three parts, or of two) of each dynamic symbol of a file that has one."""
    for line in output("objdump", "-T", path).splitlines():
        found = re.search(r"\(?GLIBC_([\d.]+)\)?\s+(?:\.hidden )?(\S+)$", line)
        if found:
            yield found[2], tuple(int(part) for part in found[1].split("."))


def older_versions(names, scratch):
    """Words for the linker, by which a program takes functions in versions that Debian 11's C library has."""
    older = {}
    for part in ("libc.so.6", "libm.so.6"):
        for name, number in symbols(library(part)):
            if name in names and number[:2] <= OLDEST:
                older[name] = max(number, older.get(name, ()))
    jumps = ['.section .note.GNU-stack,"",@progbits', ".text"]
    # It runs the program's constructors differently: see older_glibc.c.
    for name, number in sorted(older.items()):
        if name != "__libc_start_main":
            jumps += [
                f".globl {name}", f".hidden {name}", f".type {name}, @function",
                f"{name}: jmp *older_{name}@GOTPCREL(%rip)",
                f".symver older_{name}, {name}@GLIBC_{'.'.join(map(str, number))}",
            ]
    assembly = scratch / "older_versions.s"
    assembly.write_text("\n".join(jumps) + "\n")
    objects = []
    for source in (assembly, ROOT / "Python/older_glibc.c"):
        objects.append(scratch / f"{source.stem}.o")
        flags = ["-O2", "-fPIC", "-fvisibility=hidden"] if source.suffix == ".c" else []
        subprocess.run(["clang", *flags, "-c", source, "-o", objects[-1]], check=True)
    # Until glibc 2.34, threads and loading were in libraries of their own.
    return [*objects, "--no-as-needed", library("libpthread.so.0"), library("libdl.so.2"), "--as-needed"]


def newer(path):
    return {name for name, number in symbols(path) if number[:2] > OLDEST}


def build(scratch, jobs=None):
    """Builds the program, and strips it.

    :returns: its path, and the folder with its resources.
    """
    archives = scratch / "static"
    archives.mkdir(parents=True, exist_ok=True)
    for name in ARCHIVES:
        link = archives / name
        link.unlink(missing_ok=True)
        link.symlink_to(library(name))
    # The package manager looks for libraries first where these say.
    for name in PACKAGES:
        source = pathlib.Path(output("pkg-config", "--variable=pcfiledir", name).strip(), f"{name}.pc")
        text = re.sub("^Libs:", f"Libs: -L{archives}", source.read_text(), flags=re.MULTILINE)
        (archives / source.name).write_text(text)
    program = swift_build(scratch, archives, jobs)
    if platform.machine() == "x86_64" and (names := newer(program)):
        program = swift_build(scratch, archives, jobs, older_versions(names, scratch))
        if names := newer(program):
            fail(f"Debian 11's C library has no {', '.join(sorted(names))}: define them in Python/older_glibc.c")
    stripped = scratch / "anytime"
    subprocess.run(["strip", "--strip-all", "-o", stripped, program], check=True)
    needed = re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", stripped))
    if foreign := [name for name in needed if not SYSTEM.fullmatch(name)]:
        fail(f"the program still needs {', '.join(foreign)}")
    said = output(stripped, "--version").strip()
    if said != version():
        fail(f"the program says that it is version {said}, and Sources/Anytime/Version.swift {version()}")
    return stripped, program.parent


def tag(program):
    """The platform that a program runs on, by the newest version of the C library that one of its symbols needs."""
    major, minor = max(number[:2] for _, number in symbols(program))
    return f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"


# The wheel


def licences(scratch):
    """The licences of all that is in the program, by their names in the wheel."""
    swift = pathlib.Path(shutil.which("swift")).resolve().parent.parent
    found = {
        "LICENSE": ROOT / "LICENSE",
        "GPL-3.txt": pathlib.Path("/usr/share/common-licenses/GPL-3"),
        "third-party/swift.txt": swift / "share/swift/LICENSE.txt",
    }
    compiler = library("libstdc++.a").parent.name
    for package in [*DEBIAN, f"libstdc++-{compiler}-dev"]:
        found[f"third-party/{package}.txt"] = pathlib.Path("/usr/share/doc", package, "copyright")
    for package in sorted((scratch / "checkouts").iterdir()):
        if package.name.startswith("swift-docc"):
            continue
        texts = [path for path in package.iterdir() if re.match("LICEN[CS]E|NOTICE", path.name)]
        if not texts:
            fail(f"{package} has no licence")
        for path in texts:
            found[f"third-party/{package.name}-{path.stem}.txt"] = path
    for path in found.values():
        if not path.is_file():
            fail(f"there is no {path}, whose licence belongs into the wheel")
    return {name: path.read_bytes() for name, path in found.items()}


def metadata(project, texts):
    extras = [
        line for extra, requirements in project["optional-dependencies"].items() for line in (
            f"Provides-Extra: {extra}", *(f'Requires-Dist: {word}; extra == "{extra}"' for word in requirements))
    ]
    return "\n".join([
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"Keywords: {','.join(project['keywords'])}",
        # The source is under Apache's licence; the program is linked with GSL, so the whole is under the GPL's terms.
        "License-Expression: Apache-2.0 AND GPL-3.0-or-later",
        *(f"License-File: {name}" for name in sorted(texts)),
        *(f"Classifier: {word}" for word in [*project["classifiers"], "Operating System :: POSIX :: Linux"]),
        f"Requires-Python: {project['requires-python']}",
        *extras,
        "Description-Content-Type: text/markdown",
        "",
        (ROOT / "Python" / project["readme"]).read_text(),
    ]).encode()


def pack(program, resources, scratch, folder):
    """Writes the wheel; its path."""
    with open(ROOT / "Python/pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    if project["version"] != version():
        fail(f"Python/pyproject.toml has version {project['version']}, and Sources/Anytime/Version.swift {version()}")
    texts = licences(scratch)
    name = f"{project['name'].replace('-', '_')}-{project['version']}"
    info, data = f"{name}.dist-info", f"{name}.data"
    kind = tag(program)
    files = {f"{info}/licenses/{path}": text for path, text in texts.items()}
    files[f"{info}/METADATA"] = metadata(project, texts)
    about = ["Wheel-Version: 1.0", "Generator: anytime wheel", "Root-Is-Purelib: false", f"Tag: {kind}"]
    files[f"{info}/WHEEL"] = "".join(f"{line}\n" for line in about).encode()
    # The program comes into 'bin' of the environment, and finds these in its 'share'.
    files[f"{data}/scripts/anytime"] = program.read_bytes()
    for path in resources.glob("AnytimeNAS_*.resources/**/*"):
        if path.is_file():
            place = path.relative_to(resources).as_posix()
            files[f"{data}/data/share/anytime-nas/{place}"] = path.read_bytes()
    sources = ROOT / "Python/src"
    for path in sources.rglob("*"):
        if path.suffix == ".py" or path.name == "py.typed":
            files[path.relative_to(sources).as_posix()] = path.read_bytes()

    record = f"{info}/RECORD"
    lines = []
    for path, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    files[record] = "".join([*lines, f"{record},,\n"]).encode()

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("anytime_nas-*.whl"):
        old.unlink()
    wheel = folder / f"{name}-{kind}.whl"
    beside = folder / f"{wheel.name}.new"
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        # The metadata last, as the format wishes.
        for path in sorted(files, key=lambda path: (path.startswith(info), path)):
            entry = zipfile.ZipInfo(path, TIME)
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if path.startswith(f"{data}/scripts/") else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, files[path], compresslevel=9)
    beside.replace(wheel)
    return wheel


def main():
    parser = argparse.ArgumentParser(description="Builds a wheel with the program in it.")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / ".build/wheel", help="the wheel's folder")
    parser.add_argument(
        "--scratch-path", type=pathlib.Path, default=ROOT / ".build-wheel", help="where the program is built")
    parser.add_argument("--jobs", type=int, help="how many parts are compiled at once")
    options = parser.parse_args()
    scratch = options.scratch_path.resolve()
    program, resources = build(scratch, options.jobs)
    print(pack(program, resources, scratch, options.output))


if __name__ == "__main__":
    main()

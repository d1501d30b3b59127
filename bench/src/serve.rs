// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench serve`: what `pyebpf serve` costs on a host with fifty processes and five
//! hundred threads: alone, with ten live pages, and with clients that ask all the time; and
//! whether it stays so for a day.

mod live_page;
mod plan;
mod requests;
mod server;
mod soak;
mod table;
mod usage;

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use self::live_page::LivePage;
use self::plan::ServePlan;
use self::requests::Requests;
use self::server::{Chunks, Server};
use self::usage::Usage;
use super::measure::MeasuredSubject;
use super::setting::versions;
use super::spread::Spread;
use super::subject::Subject as _;
use super::target::Target;
use super::{interrupt, machine, procfs, stage};
use xtask::process::{self, say};
use xtask::workspace::Workspace;
use xtask::{build, sudo};

/// The processes, and the threads of each.
const PROCESSES: usize = 50;
const THREADS: usize = 10;
/// How many live pages there are under load.
const PAGES: usize = 10;

/// Builds, has root measure, and prints the tables.
pub(crate) fn run(workspace: &Workspace, quick: bool, pythons: Vec<PathBuf>) -> anyhow::Result<()> {
    let binary = build::everything(workspace)?;
    let directory = workspace.target.join("bench");
    let place = directory.join("serve-stage");
    let scratch = stage::lay(&place, &workspace.root.join("tests/scripts"), None)?;
    let mut command = sudo::command(std::env::current_exe()?, &[])?;
    command.arg("measure-serve");
    if quick {
        command.arg("--quick");
    }
    command.arg("--binary").arg(binary);
    command.arg("--scripts").arg(&place);
    command.arg("--scratch").arg(&scratch);
    for python in pythons {
        command.arg("--python").arg(python);
    }
    let printed = process::read(&mut command)?;
    let document: Value =
        serde_json::from_str(&printed).context("the measuring process printed no JSON")?;
    let text = table::write(&document)?;
    for (name, text) in [
        ("serve.json", &format!("{document}\n")),
        ("serve.md", &text),
    ] {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{text}");
    say(format!(
        "the table is serve.md, all values serve.json in {}",
        directory.display()
    ));
    Ok(())
}

/// Measures everything and prints the document.
pub(crate) fn measure(arguments: &MeasuredSubject) -> anyhow::Result<()> {
    interrupt::leave_to_children()?;
    let plan = ServePlan::new(arguments.quick);
    let pythons = versions(&arguments.pythons);
    let python = pythons.last().context("there is no Python to sample")?;
    let others_before = machine::others_share();
    say("starting the processes");
    let counts = [PROCESSES, THREADS].map(|count| count.to_string());
    let [processes, threads] = &counts;
    let script = "bench_server.py";
    let words = [processes.as_str(), threads.as_str()];
    let target = Target::start(&python.path, &arguments.scripts, script, &words)?;
    let pids: Vec<_> = procfs::tree(target.pid());
    let running = procfs::threads_of_tree(target.pid());
    let state = arguments.scratch.join("state");
    let chunks = Chunks {
        seconds: plan.minute.as_secs_f64(),
        kept: plan.minutes,
    };
    let server = Server::start(&arguments.binary, &arguments.scratch, &state, &pids, chunks)?;
    sleep(plan.warm_up);
    say("measuring the server alone");
    let alone = state_of(&server, &plan)?;
    say("measuring it with live pages");
    let pages: Vec<_> = (0..PAGES)
        .map(|_| LivePage::open(server.socket()))
        .collect::<anyhow::Result<_>>()?;
    let mut watched = state_of(&server, &plan)?;
    let received = pages.into_iter().map(LivePage::close).sum::<u64>();
    watched["bytes_received"] = received.into();
    let chunk = server.bytes_of_a_chunk()?;
    say("measuring it with clients that ask all the time");
    let requests = Requests::begin(server.socket());
    let mut asked = state_of(&server, &plan)?;
    let sum = requests.end()?;
    asked["requests_a_second"] = (sum.answered as f64 / sum.took.as_secs_f64()).into();
    let end = server.status()?;
    server.finish()?;
    say("measuring a day in minutes");
    let day = soak::measure(&arguments.binary, &arguments.scratch, &pids, &plan)?;
    let mut document = json!({
        "format": "pyebpf bench serve 1",
        "quick": arguments.quick,
        "machine": machine::describe(&arguments.binary),
        "python": python.version,
        "processes": pids.len(),
        "threads": running,
        "pages": PAGES,
        "alone": alone,
        "watched": watched,
        "asked": asked,
        "chunk_seconds": chunks.seconds,
        "bytes_an_hour": chunk * 3600.0 / chunks.seconds,
        "lost": end["counters"]["lost"],
        "problems": end["problems"],
        "soak": day,
    });
    document["machine"]["others"] = json!([others_before, machine::others_share()]);
    println!("{document}");
    Ok(())
}

/// Measures CPU time and memory for some windows without asking anything, and then how far the
/// recorder is behind.
fn state_of(server: &Server, plan: &ServePlan) -> anyhow::Result<Value> {
    let mut shares: [Spread; 3] = Default::default();
    let mut memory: [Spread; 3] = Default::default();
    let (mut all_shares, mut all_memory) = (Spread::default(), Spread::default());
    for _ in 0..plan.windows {
        let before = Usage::of(server)?;
        sleep(plan.window);
        let after = Usage::of(server)?;
        let took = after.at.duration_since(before.at).as_secs_f64();
        let mut sum = 0.0;
        for (index, share) in shares.iter_mut().enumerate() {
            let used = after.cpu[index].saturating_sub(before.cpu[index]);
            let percent = 100.0 * used.as_secs_f64() / took;
            share.add(percent);
            sum += percent;
        }
        all_shares.add(sum);
        for (spread, kib) in memory.iter_mut().zip(after.resident_kib) {
            spread.add(kib as f64);
        }
        all_memory.add(after.resident_kib.iter().sum::<u64>() as f64);
    }
    let mut behind = Spread::default();
    for _ in 0..plan.looks {
        // An answer is used for half a second.
        sleep(Duration::from_millis(600));
        let status = server.status()?;
        let behind_us = status["recorder"]["behind_us"].as_f64();
        behind.add(behind_us.context("a status without behind_us")? / 1000.0);
    }
    let named = |spreads: &[Spread; 3]| {
        let parts = usage::PARTS.iter().zip(spreads);
        let parts = parts.map(|(name, spread)| ((*name).to_owned(), spread.to_json()));
        Value::Object(parts.collect())
    };
    Ok(json!({
        "cpu_percent": named(&shares),
        "cpu_percent_together": all_shares.to_json(),
        "resident_kib": named(&memory),
        "resident_kib_together": all_memory.to_json(),
        "behind_ms": behind.to_json(),
    }))
}

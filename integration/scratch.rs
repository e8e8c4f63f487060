use arras::sim::{Plan, Stage, Note}; use arras::sim::narrate::Narrator; use arras::base::Span; use arras::sim::underlay::Plane;
use std::collections::BTreeMap;
fn env(n:&str,d:f64)->f64{ std::env::var(n).ok().map_or(d, |x| x.parse().unwrap()) }
#[test] fn scratch() {
    let mut plan = Plan{underlay: Box::new(Plane::new(1, Span::from_millis(60))), ..Plan::from_seed(env("SEED",1.0) as u64)};
    plan.router.leaf_set_per_side = 4; plan.router.link_budget=16;
    let mut s = Stage::with(plan);
    s.join(25); s.rest();
    s.world.weather.loss = env("LOSS",0.0); s.world.weather.jitter=env("JITTER",0.0);
    s.world.take_notes();
    let g = (0..10).collect();
    if env("CUT",1.0)>0.0 { s.partition(&[g]); s.pass(Span::from_secs(25)); s.heal(); }
    for _ in 0..6 {
    s.pass(Span::from_secs(10));
    let n = Narrator::of(&s.world);
    let notes = s.world.notes();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for note in &notes {
            let line = n.tell(note);
            let kind = if line.contains(" -> ") { line.split(' ').nth(3) } else { line.split(' ').next_back() };
            *kinds.entry(kind.unwrap_or_default().to_owned()).or_default() += 1;
        }
    println!("{:?} {} notes {kinds:?}", s.now(), notes.len());
    let mut shown=0;
    if env("SHOW",0.0)>0.0 {
    for note in &notes { let l = n.tell(note); let w: Vec<&str> = l.split(' ').collect();
        if (w[0]=="c" || w[2]=="c" || w.get(3)==Some(&"c")) && !l.contains("reach") { let t = format!("{note:?}"); let t: String = t.split("at: ").nth(1).unwrap().chars().take(9).collect(); println!("{t} {l}"); shown+=1; if shown>120 {break;} } }
    }}
    let _: Option<Note> = None;
}

// The theme that was chosen, before anything is painted: a script of its own that blocks, for a module would come late.
try {
  const kept = localStorage.getItem("theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch {
  // a browser that blocks the data of sites throws SecurityError: the system's theme it is
}

